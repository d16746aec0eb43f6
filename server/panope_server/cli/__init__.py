"""The panope command."""
