"""Retention in the store: what must stay, what may go, what it takes, and whether it is still what it was."""
