"""Stands in for what tests cannot have: the hub, and models of many families."""

from panope_registry.testing.hub import HubStandIn, LoggedRequest

__all__ = ["HubStandIn", "LoggedRequest"]
