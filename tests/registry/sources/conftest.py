"""A hub that stands in, and a source that asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from panope_registry.sources.hub import HubSource
from panope_registry.testing import HubStandIn


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn(token="hf_secret") as hub:
        yield hub


@pytest.fixture
def source(hub: HubStandIn) -> Iterator[HubSource]:
    source = HubSource(hub.endpoint)
    yield source
    source.close()
