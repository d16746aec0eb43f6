"""Calls end when their time is up."""
