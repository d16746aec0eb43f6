"""Models that servers elsewhere run: one file, one variant, and nobody but `register` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from panope_backends.errors import AlreadyExistsError, DataLossError, InvalidInputError, PreconditionError
from panope_backends.upstreams.description import FILE, Upstream, read_upstream
from panope_registry.job_handlers.requests import SyncRequest, enqueue_sync, upstream_of
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.tables.model_tables import blob
from panope_registry.testing import HubStandIn

UPSTREAM = Upstream("https://api.example.org/v1", "openai", "gpt", "generate")
GIVEN = {"url": UPSTREAM.url, "protocol": "openai", "model": "gpt"}


def test_a_server_elsewhere_is_a_variant_that_is_here(registry: Registry) -> None:
    entry = registry.register_upstream("acme/far", UPSTREAM)
    (variant,) = entry.variants
    assert (entry.task, variant.format, variant.precision, variant.is_local) == ("generate", "remote", "", True)
    assert entry.reasons["upstream"] == "gpt at https://api.example.org/v1, by the protocol openai"
    folder = registry.materialize(variant.digest)
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert read_upstream((folder / FILE).read_bytes()) == UPSTREAM


def test_the_same_again_changes_nothing_and_another_is_a_new_revision(registry: Registry) -> None:
    first = registry.register_upstream("acme/far", UPSTREAM)
    assert registry.register_upstream("acme/far", UPSTREAM) == first
    moved = registry.register_upstream("acme/far", Upstream("https://other.example.org/v1", "openai", "gpt", "embed"))
    assert moved.task == "embed"
    assert moved.commit != first.commit
    assert [variant.digest for variant in moved.variants] != [variant.digest for variant in first.variants]


@pytest.fixture
def other(database_url: str, tmp_path: Path) -> Iterator[RegistrySession]:
    """Another server of the same database, with a store of its own."""
    with RegistrySession.open(database_url, tmp_path / "other") as session:
        yield session


def test_a_server_that_shares_the_database_has_the_description_too(
    registry: Registry, other: RegistrySession, tmp_path: Path
) -> None:
    registry.register_upstream("acme/far", UPSTREAM)
    (variant,) = other.registry.model("acme/far").variants
    assert variant.is_local
    folder = other.registry.materialize(variant.digest)
    assert folder.is_relative_to(tmp_path / "other")
    assert read_upstream((folder / FILE).read_bytes()) == UPSTREAM
    other.retention.lease(variant.digest, "server-2", 60)
    assert read_upstream((registry.materialize(variant.digest) / FILE).read_bytes()) == UPSTREAM


def test_a_description_that_a_store_lost_comes_back(registry: Registry) -> None:
    (variant,) = registry.register_upstream("acme/far", UPSTREAM).variants
    folder = registry.materialize(variant.digest)
    (file,) = folder.iterdir()
    file.resolve().unlink()
    file.unlink(missing_ok=True)
    with suppress(DataLossError):  # it is found missing
        registry.materialize(variant.digest)
    assert read_upstream((registry.materialize(variant.digest) / FILE).read_bytes()) == UPSTREAM


def test_a_description_of_an_earlier_version_is_told_by_the_server_that_has_it(
    session: RegistrySession, other: RegistrySession, engine: Engine
) -> None:
    (variant,) = session.registry.register_upstream("acme/far", UPSTREAM).variants
    with engine.begin() as connection:
        connection.execute(update(blob).values(content=None))
    with pytest.raises(DataLossError):
        other.registry.materialize(variant.digest)
    session.registry.materialize(variant.digest)
    assert read_upstream((other.registry.materialize(variant.digest) / FILE).read_bytes()) == UPSTREAM


def test_it_does_not_take_the_place_of_a_hubs_model(
    registry: Registry, hub: HubStandIn, source: HubSource, make_model: Callable[..., Path]
) -> None:
    hub.add("acme/tiny", make_model())
    known = registry.register("acme/tiny", source=source)
    with pytest.raises(AlreadyExistsError):
        registry.register_upstream("acme/tiny", UPSTREAM)
    assert registry.model("acme/tiny") == known


def test_a_description_among_a_models_files_describes_nothing(
    registry: Registry, make_model: Callable[..., Path]
) -> None:
    folder = make_model()
    (folder / FILE).write_bytes(UPSTREAM.to_json())
    entry = registry.import_folder(folder, "acme/tiny")
    assert {variant.format for variant in entry.variants} == {"safetensors"}
    assert "upstream" not in entry.reasons


def test_a_folder_with_a_description_alone_is_no_model(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / FILE).write_bytes(UPSTREAM.to_json())
    with pytest.raises(PreconditionError):
        registry.import_folder(tmp_path / "alone", "acme/alone")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SyncRequest("a/b", revision="dev", upstream=GIVEN), "revision"),
        (SyncRequest("a/b", preferred_format="onnx", upstream=GIVEN), "preferred_format"),
        (SyncRequest("a/b", quantization_targets=("int8",), upstream=GIVEN), "quantization_targets"),
        (SyncRequest("a/b", task_hints=("generate", "embed"), upstream=GIVEN), "task_hints"),
        (SyncRequest("a/b", task_hints=("detect",), upstream=GIVEN), "task_hints"),
        (SyncRequest("a/b", upstream=GIVEN | {"url": "https://a@b"}), "upstream.url"),
        (SyncRequest("a/b", upstream={"url": UPSTREAM.url}), "upstream.protocol"),
        (SyncRequest("a b", upstream=GIVEN), "model"),
    ],
)
def test_a_request_that_no_server_fits_is_refused_by_its_field(
    registry: Registry, request_: SyncRequest, field: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        enqueue_sync(None, request_)  # type: ignore[arg-type]  # refused before it is used
    assert refusal.value.field == field


def test_the_task_is_the_protocols_unless_one_is_named() -> None:
    assert upstream_of(SyncRequest("a/b", upstream=GIVEN)).task == "generate"
    assert upstream_of(SyncRequest("a/b", task_hints=("embed",), upstream=GIVEN)).task == "embed"
