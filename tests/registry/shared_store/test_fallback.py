"""Downloads ask the shared store before the hub, and lose nothing when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import obstore
import pytest

from panope_registry.registry import VariantEntry
from panope_registry.session import RegistrySession
from panope_registry.shared_store import S3Store, Uploader
from panope_registry.sources.hub import HubSource
from panope_registry.testing.hub import HubStandIn

MODEL = "acme/tiny"
WEIGHTS = "model.safetensors"

Pull = Callable[..., Any]
See = Callable[[RegistrySession, object], Uploader]


@pytest.fixture
def hub(safetensors: Callable[..., bytes]) -> Iterator[HubStandIn]:
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}
    with HubStandIn() as hub:
        hub.add(MODEL, {"config.json": json.dumps(config).encode(), WEIGHTS: safetensors({"w": ("F32", [64, 64])})})
        yield hub


@pytest.fixture
def source(hub: HubStandIn) -> Iterator[HubSource]:
    with httpx2.Client(timeout=10, follow_redirects=False) as client:
        yield HubSource(hub.endpoint, client=client)


@pytest.fixture
def variant(session: RegistrySession, source: HubSource) -> VariantEntry:
    return session.registry.register(MODEL, source=source).variants[0]


@pytest.fixture
def shared(
    session: RegistrySession, variant: VariantEntry, source: HubSource, pull: Pull, remote: S3Store, sharing: See
) -> VariantEntry:
    """A variant that one machine has downloaded and brought into the shared store."""
    pull(session, MODEL, remote, source)
    sharing(session, remote).push(variant.digest)
    return variant


def _gets(hub: HubStandIn) -> int:
    return sum(1 for request in hub.requests if request.on == "cdn" and request.method == "GET")


def test_what_the_shared_store_has_is_not_asked_of_the_hub(
    other_machine: RegistrySession, shared: VariantEntry, pull: Pull, remote: S3Store, hub: HubStandIn
) -> None:
    before = len(hub.requests)
    pull(other_machine, MODEL, remote, source=None)
    assert len(hub.requests) == before
    assert other_machine.registry.materialize(shared.digest).is_dir()


@pytest.mark.parametrize("state", ["away", "refusing"])
def test_a_shared_store_that_does_not_answer_is_told_once_and_the_hub_is_asked(
    state: str,
    request: pytest.FixtureRequest,
    session: RegistrySession,
    variant: VariantEntry,
    pull: Pull,
    source: HubSource,
) -> None:
    pulled = pull(session, MODEL, request.getfixturevalue(state), source)
    assert [error.reason for error in pulled.away] == [
        "source_unavailable" if state == "away" else "source_unauthorized"
    ]
    assert session.registry.materialize(variant.digest).is_dir()


def test_wrong_bytes_of_the_shared_store_are_fetched_from_the_hub(
    other_machine: RegistrySession,
    shared: VariantEntry,
    pull: Pull,
    remote: S3Store,
    source: HubSource,
    hub: HubStandIn,
) -> None:
    weights = next(file for file in shared.files if file.path == WEIGHTS)
    obstore.put(remote._bucket, remote._key(weights.sha256), b"!" * weights.size_bytes)
    before = _gets(hub)
    pull(other_machine, MODEL, remote, source)
    assert _gets(hub) == before + 1
    assert other_machine.registry.materialize(shared.digest).is_dir()


def test_what_the_bucket_lost_is_fetched_from_the_hub_and_no_longer_counts_as_shared(
    other_machine: RegistrySession,
    session: RegistrySession,
    shared: VariantEntry,
    pull: Pull,
    remote: S3Store,
    source: HubSource,
    sharing: See,
) -> None:
    weights = next(file for file in shared.files if file.path == WEIGHTS)
    remote.delete(weights.sha256)
    pull(other_machine, MODEL, remote, source)
    assert other_machine.registry.materialize(shared.digest).is_dir()
    assert sharing(session, remote).unshared() == [shared.digest]
