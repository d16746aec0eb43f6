"""What cannot be registered: each with a clear error, and nothing changed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from panope_backends.errors import (
    AlreadyExistsError,
    AvailabilityError,
    DataLossError,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PermissionDeniedError,
)
from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.tables.model_tables import metadata
from panope_registry.testing import HubStandIn

NAME = "vendor/model"
MakeModel = Callable[..., Path]


@pytest.fixture
def refused(
    hub: HubStandIn, registry: Registry, source: HubSource, engine: Engine, make_model: MakeModel
) -> Callable[..., PanopeError]:
    """Registers what must be refused and returns the error; the database is as it was, row by row."""
    other = {"config.json": '{"architectures": ["BertModel"], "model_type": "bert"}', "tokenizer.json": "[]"}
    hub.add("known/model", make_model("known", files=other))
    registry.register("known/model", source=source)

    def refused(name: str = NAME, **how: Any) -> PanopeError:
        before = _rows(engine)
        with pytest.raises(PanopeError) as caught:
            registry.register(name, **({"source": source} | how))
        assert _rows(engine) == before
        assert caught.value.message.isprintable()
        return caught.value

    return refused


def _rows(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


Refused = Callable[..., PanopeError]


def test_a_repo_that_is_not_there(refused: Refused) -> None:
    error = refused("no/repo")
    assert (type(error), error.reason) == (NotFoundError, "repo_not_found")


def test_a_revision_that_is_not_there(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    error = refused(revision="no")
    assert (type(error), error.reason) == (NotFoundError, "revision_not_found")


def test_a_gated_repo(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model(), gated=True)
    error = refused()
    assert (type(error), error.reason) == (PermissionDeniedError, "gated")
    assert "accept its terms" in error.message


def test_a_gated_repo_opens_to_the_token(hub: HubStandIn, registry: Registry, make_model: MakeModel) -> None:
    hub.add(NAME, make_model(), gated=True)
    source = HubSource(hub.endpoint, token="hf_secret")
    assert registry.register(NAME, source=source).task == "embed"
    source.close()


def test_a_name_that_is_none(hub: HubStandIn, refused: Refused) -> None:
    for name in ("", "a/b/c", "../x", "a/..", "a/b?x=1", "a/b%2F"):
        assert refused(name).field == "name"


@pytest.mark.parametrize("path", ["../config.json", "/config.json", "a\x00.json", "Config.json"])
def test_paths_that_are_not_safe(hub: HubStandIn, refused: Refused, make_model: MakeModel, path: str) -> None:
    hub.add(NAME, make_model(), listed=[{"type": "file", "path": path, "size": 2, "oid": "0" * 40}])
    error = refused()
    assert error.reason in ("unsafe_path", "colliding_paths")


def test_weights_that_can_run_code(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model(files={"model.safetensors": None, "pytorch_model.bin": b"\x80\x04."}))
    assert refused().reason == "unsafe_format"
    assert not hub.gets("pytorch_model.bin")


def test_code_of_the_models_own(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    config = json.dumps({"auto_map": {"AutoModel": "modeling.Model"}})
    hub.add(NAME, make_model(files={"config.json": config, "modeling.py": "import os"}))
    assert refused().reason == "remote_code"


def test_no_weights(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model(files={"model.safetensors": None}))
    assert refused().reason == "no_weights"


@pytest.mark.parametrize(
    "counts", [(2**40, 0), (0, 2**60), (1, 2**16 + 1)], ids=["tensors", "keys", "a few keys too many"]
)
def test_a_gguf_with_hostile_counts(
    hub: HubStandIn, refused: Refused, make_model: MakeModel, counts: tuple[int, int]
) -> None:
    data = b"GGUF" + struct.pack("<IQQ", 3, *counts) + b"\0" * 100
    hub.add(NAME, make_model(files={"model.safetensors": None, "model.gguf": data}))
    error = refused()
    assert (type(error), error.reason) == (InvalidInputError, "broken_file")
    assert "model.gguf" in error.message


def test_a_header_that_has_no_end(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    """Two thousand million characters are announced, and the file says that it has them."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2 << 30)
    hub.add(NAME, make_model(files={"model.safetensors": None, "model.gguf": data + b"x" * 100}))
    assert refused().reason == "broken_file"
    assert len(hub.gets("model.gguf")) == 1


def test_a_safetensors_header_that_lies(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model(files={"model.safetensors": struct.pack("<Q", 1 << 62) + b"{}"}))
    assert refused().reason == "broken_file"


def test_a_file_that_is_not_what_its_hash_says(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    hub.fault("flip_byte", match="config.json", times=2)
    error = refused()
    assert (type(error), error.reason) == (DataLossError, "hash_mismatch")


@pytest.mark.parametrize("fault", ["cut", "drop_after"])
def test_a_file_that_comes_short(hub: HubStandIn, refused: Refused, make_model: MakeModel, fault: str) -> None:
    hub.add(NAME, make_model())
    hub.fault(fault, match="tokenizer.json", times=None, bytes=1)
    assert refused().reason in ("hash_mismatch", "source_unavailable")


def test_a_header_that_breaks_off(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    hub.fault("drop_after", on="cdn", times=None, bytes=20)
    error = refused()
    assert (type(error), error.reason) == (AvailabilityError, "source_unavailable")


def test_a_hub_that_says_later(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    hub.fault("status", code=429, retry_after=30, match="/resolve/", times=None)
    error = refused()
    assert (error.reason, error.retry_after_seconds) == ("source_unavailable", 30.0)


def test_a_hint_that_is_no_task(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    error = refused(task_hints=["juggle"])
    assert (type(error), error.field) == (InvalidInputError, "task_hints")
    assert "embed" in error.message


def test_a_name_that_belongs_to_a_folder(
    hub: HubStandIn, registry: Registry, refused: Refused, make_model: MakeModel
) -> None:
    registry.import_folder(make_model("mine"), NAME)
    hub.add(NAME, make_model())
    assert isinstance(refused(), AlreadyExistsError)
    with pytest.raises(AlreadyExistsError):
        registry.import_folder(make_model("mine"), "known/model")


def test_another_size_for_bytes_that_are_known(
    hub: HubStandIn, registry: Registry, refused: Refused, make_model: MakeModel
) -> None:
    (weights,) = registry.missing_files(registry.model("known/model").variants[0].digest)
    large = 17 << 20
    lie = {"type": "file", "path": "notes.txt", "oid": "0" * 40, "size": large}
    hub.add(NAME, make_model(), listed=[lie | {"lfs": {"oid": weights.sha256, "size": large, "pointerSize": 1}}])
    assert refused().reason == "broken_listing"


def test_more_small_files_than_a_model_has(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    listed = [{"type": "file", "path": f"{n}.json", "size": 2, "oid": "0" * 40} for n in range(2_001)]
    hub.add(NAME, make_model(), listed=listed)
    before = len(hub.gets())
    assert refused().reason == "too_many_files"
    assert len(hub.gets()) == before


def test_a_large_file_without_a_sha256(hub: HubStandIn, refused: Refused, make_model: MakeModel) -> None:
    listed = [{"type": "file", "path": "big.safetensors", "size": 1 << 30, "oid": "0" * 40}]
    hub.add(NAME, make_model(), listed=listed)
    assert refused().reason == "unknown_content"
