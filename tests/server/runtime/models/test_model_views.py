"""Lists from memory are what the database would tell."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_registry.registry import ModelFilter, Registry
from panope_registry.session import RegistrySession
from panope_server.runtime.models.model_views import pick

NAMES = ("A/z", "a-b/x", "a/Y", "a/x", "a_b/x", "b/x", "b/y")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Seven models of two tasks; every other one has a conversion."""
    home = tmp_path_factory.mktemp("home")
    session = RegistrySession.open(f"sqlite:///{home / 'registry.sqlite3'}", home)
    registry = session.registry
    for number, name in enumerate(NAMES):
        folder = home / str(number)
        folder.mkdir()
        kind = "BertForSequenceClassification" if number % 3 else "BertForMaskedLM"
        (folder / "config.json").write_text(json.dumps({"architectures": [kind], "model_type": "bert"}))
        header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes([number]))
        entry = registry.import_folder(folder, name)
        if number % 2:
            (home / f"made{number}").mkdir()
            (home / f"made{number}" / "openvino_model.xml").write_bytes(bytes([number]))
            how = {"format": "openvino", "precision": "fp32", "backend": "openvino", "engine_version": "1"}
            how["task"] = entry.task
            registry.add_conversion(entry.variants[0].digest, home / f"made{number}", **how)
    yield registry
    session.close()


@given(
    only=st.builds(
        ModelFilter,
        task=st.sampled_from(["", "classify", "fill-mask", "embed"]),
        format=st.sampled_from(["", "openvino", "safetensors", "gguf"]),
        prefix=st.sampled_from(["", "a", "a/", "a/x", "b", "b/", "z", "A", "a-", "\U0010fffe"]),
        names=st.none() | st.frozensets(st.sampled_from(NAMES)),
        not_names=st.frozensets(st.sampled_from(NAMES)),
    ),
    after=st.sampled_from(["", "a", "a/x", "b/", "zz", *NAMES]),
    limit=st.integers(1, 9),
)
def test_any_filter_and_page_picks_what_the_database_tells(
    registry: Registry, only: ModelFilter, after: str, limit: int
) -> None:
    entries = {entry.name: entry for entry in registry.models()}
    picked = pick(entries, sorted(entries), only, after, limit)
    assert [entry.name for entry in picked] == [entry.name for entry in registry.models(only, after=after, limit=limit)]


def test_the_models_of_the_test_differ(registry: Registry) -> None:
    found = registry.models()
    assert len({entry.task for entry in found}) == 2
    assert {len(entry.variants) for entry in found} == {1, 2}
