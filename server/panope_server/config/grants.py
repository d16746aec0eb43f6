"""The grants that the settings give."""

from __future__ import annotations

from panope_registry.inspect.grants import Grants
from panope_server.config import Settings


def grants_for(settings: Settings) -> Grants:
    """What single models may do that no other may."""
    return Grants(settings.grants.pickles, settings.grants.remote_code, settings.grants.network)
