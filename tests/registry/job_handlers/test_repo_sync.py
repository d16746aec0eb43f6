"""An adapter that is synced with a hub brings its base model, if that may be registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import NotFoundError, PanopeError, PermissionDeniedError
from panope_registry.job_handlers.repo_sync import RepoSync
from panope_registry.job_handlers.requests import SyncRequest, enqueue_sync
from panope_registry.jobs import JobContext
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.testing import HubStandIn
from panope_registry.testing.adapters import base_model, lora_adapter

BASE, ADAPTER = "acme/tiny", "them/sql"

Sync = Callable[..., Mapping[str, Any]]


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def session(database_url: str, tmp_path: Path) -> Iterator[RegistrySession]:
    with RegistrySession.open(database_url, tmp_path / "home") as session:
        yield session


@pytest.fixture
def told() -> list[tuple[str, Mapping[str, object]]]:
    return []


@pytest.fixture
def sync(hub: HubStandIn, session: RegistrySession, told: list[tuple[str, Mapping[str, object]]]) -> Iterator[Sync]:
    source = HubSource(hub.endpoint)

    def check_vendor(model: str) -> None:
        if model.startswith("evil/"):
            raise PermissionDeniedError("models of `evil` may not be registered here", reason="vendor_not_allowed")

    def run(**request: Any) -> Mapping[str, Any]:
        handler = RepoSync(session.registry, source, lambda *event: told.append(event), check_vendor)
        return handler(JobContext(enqueue_sync(session.jobs, SyncRequest(ADAPTER, **request)), session.jobs))

    yield run
    source.close()


def refused(session: RegistrySession, sync: Sync, **request: Any) -> PanopeError:
    with pytest.raises(PanopeError) as caught:
        sync(**request)
    assert session.registry.models() == []
    return caught.value


def test_the_base_that_the_adapters_files_name_is_registered_with_it(
    hub: HubStandIn, session: RegistrySession, sync: Sync, told: list[tuple[str, Mapping[str, object]]], tmp_path: Path
) -> None:
    hub.add(BASE, base_model(tmp_path / "base"))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", BASE))
    assert sync()["registered_base"] == BASE
    (variant,) = session.registry.model(ADAPTER).variants
    assert variant.base_models == (BASE,)
    assert {file.repo for file in session.registry.missing_files(variant.digest)} == {BASE, ADAPTER}
    events = ["repo_registered", "repo_synced"]
    assert [(name, facts["model_repo_name"]) for name, facts in told] == [
        (name, model) for model in (BASE, ADAPTER) for name in events
    ]
    assert sync()["registered_base"] == ""  # it is here by now


def test_the_base_is_taken_at_the_revision_that_the_adapter_was_trained_on(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path
) -> None:
    old = hub.add(BASE, base_model(tmp_path / "old"))
    hub.add(BASE, base_model(tmp_path / "new", fill=1))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", BASE, config={"revision": old}))
    sync()
    assert session.registry.model(BASE).commit == old


def test_a_base_that_the_request_says_is_the_one_that_is_registered(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path
) -> None:
    hub.add(BASE, base_model(tmp_path / "base"))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", "evil/base", config={"revision": "v9"}))
    assert sync(base_model=BASE)["registered_base"] == BASE


def test_a_base_of_a_vendor_that_is_not_allowed_is_refused_by_its_name(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path
) -> None:
    hub.add("evil/base", base_model(tmp_path / "base"))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", "evil/base"))
    error = refused(session, sync)
    assert (type(error), error.reason, error.field) == (PermissionDeniedError, "vendor_not_allowed", "base_model")
    assert "its base model `evil/base`" in error.message
    assert not any("evil" in request.path for request in hub.requests)


@pytest.mark.parametrize(
    ("named", "told"), [("acme/none", "its base model `acme/none`"), ("/home/author/base", "which it does not name")]
)
def test_a_base_that_the_hub_does_not_have_is_told(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path, named: str, told: str
) -> None:
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", named))
    error = refused(session, sync)
    assert (type(error), error.field) == (NotFoundError, "base_model")
    assert told in error.message


def test_a_revision_that_is_no_name_of_one_is_not_asked_for(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path
) -> None:
    hub.add(BASE, base_model(tmp_path / "base"))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", BASE, config={"revision": "../../secrets"}))
    assert "`revision` is no name of a branch" in refused(session, sync).message
    assert not any(BASE in request.path for request in hub.requests)


def test_a_base_that_is_an_adapter_itself_brings_nothing_more(
    hub: HubStandIn, session: RegistrySession, sync: Sync, tmp_path: Path
) -> None:
    hub.add(BASE, base_model(tmp_path / "base"))
    hub.add("acme/first", lora_adapter(tmp_path / "first", BASE))
    hub.add(ADAPTER, lora_adapter(tmp_path / "lora", "acme/first"))
    assert "its base model `acme/first`" in refused(session, sync).message
