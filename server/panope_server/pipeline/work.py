"""Moved to panope_server.work; this name goes when its last user has moved."""

from panope_server.work import *  # noqa: F403 - every noun
