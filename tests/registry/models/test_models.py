"""Listing, finding and removing models; following what other processes do."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from panope_backends.errors import NotFoundError
from panope_registry.registry import ModelFilter, Registry
from panope_registry.session import RegistrySession
from panope_registry.tables.model_tables import metadata
from panope_registry.testing.forget import forget_model

MakeModel = Callable[..., Path]


def _names(registry: Registry, after: str = "", limit: int = 100, **only: object) -> list[str]:
    wanted = ModelFilter(**only)  # type: ignore[arg-type]  # fields by their names
    return [entry.name for entry in registry.models(wanted, after=after, limit=limit)]


def test_pages_follow_each_other_in_one_order(registry: Registry, make_model: MakeModel) -> None:
    folder = make_model()
    names = ["b/x", "a/x", "a-b/x", "a/Y", "A/z", "a_b/x"]
    for name in names:
        registry.import_folder(folder, name)
    pages: list[list[str]] = [[]]
    after = ""
    while page := _names(registry, after=after, limit=2):
        pages.append(page)
        after = page[-1]
    assert list(chain(*pages)) == sorted(names)
    assert _names(registry) == sorted(names)


def test_models_are_found_by_task(registry: Registry, make_model: MakeModel) -> None:
    classifier = json.dumps({"architectures": ["BertForSequenceClassification"]})
    registry.import_folder(make_model("a"), "v/embeds")
    registry.import_folder(make_model("b", files={"modules.json": None, "config.json": classifier}), "v/classifies")
    assert _names(registry, task="classify") == ["v/classifies"]
    assert _names(registry, task="embed", after="v/a") == ["v/embeds"]
    assert _names(registry, task="generate") == []


def test_models_are_found_by_how_their_names_begin(registry: Registry, make_model: MakeModel) -> None:
    folder = make_model()
    for name in ("acme/x", "acme/y", "acme-labs/x", "Acme/x", "a/c"):
        registry.import_folder(folder, name)
    assert _names(registry, prefix="acme/") == ["acme/x", "acme/y"]
    assert _names(registry, prefix="acme") == ["acme-labs/x", "acme/x", "acme/y"]
    assert _names(registry, prefix="acme/", after="acme/x") == ["acme/y"]
    assert _names(registry, prefix="%") == _names(registry, prefix="acme_") == []


def test_models_are_found_by_the_format_of_a_variant_made_here_too(
    registry: Registry, make_model: MakeModel, tmp_path: Path
) -> None:
    registry.import_folder(make_model("a"), "v/plain")
    source = registry.import_folder(make_model("b", fill=2), "v/converted").variants[0]
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "openvino_model.xml").write_bytes(b"made")
    how = {"task": "embed", "format": "openvino", "precision": "fp32", "backend": "openvino", "engine_version": "1"}
    registry.add_conversion(source.digest, tmp_path / "made", **how)
    assert _names(registry, format="openvino") == ["v/converted"]
    assert _names(registry, format="safetensors") == ["v/converted", "v/plain"]
    assert _names(registry, format="gguf") == []


def test_models_are_found_by_being_among_names_or_not(registry: Registry, make_model: MakeModel) -> None:
    folder = make_model()
    for name in ("v/a", "v/b", "v/c"):
        registry.import_folder(folder, name)
    assert _names(registry, names=frozenset({"v/b", "v/none"})) == ["v/b"]
    assert _names(registry, names=frozenset()) == []
    assert _names(registry, not_names=frozenset({"v/b"})) == ["v/a", "v/c"]


@pytest.mark.parametrize("name", ["v/unknown", "v", "", "v/m\x00", "a" * 1000, "'; DROP TABLE model; --/x", "v/M"])
def test_an_unknown_name_is_not_found_whatever_it_is(registry: Registry, make_model: MakeModel, name: str) -> None:
    registry.import_folder(make_model(), "v/m")
    with pytest.raises(NotFoundError) as caught:
        registry.model(name)
    assert caught.value.reason == "model_not_found"
    assert caught.value.message.isprintable()
    assert _names(registry) == ["v/m"]


def test_the_message_for_an_unknown_model_says_its_name(registry: Registry) -> None:
    with pytest.raises(NotFoundError) as caught:
        registry.model("v/unknown")
    assert caught.value.message == "model `v/unknown` does not exist"


def test_removing_a_model_forgets_all_but_its_bytes(
    session: RegistrySession, registry: Registry, engine: Engine, make_model: MakeModel
) -> None:
    registry.import_folder(make_model("a"), "v/m")
    registry.import_folder(make_model("b", fill=1), "v/m")
    forget_model(session.database, "v/m")
    assert registry.models() == []
    kept = {"vendor", "blob", "blob_location", "change_counter", "access_counter", "response_cache_counter"}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            count = connection.execute(select(func.count()).select_from(table)).scalar_one()
            assert (count > 0) == (table.name in kept), table.name


def test_removing_one_of_two_names_leaves_the_other_whole(
    session: RegistrySession, registry: Registry, make_model: MakeModel
) -> None:
    folder = make_model()
    registry.import_folder(folder, "v/m")
    kept = registry.import_folder(folder, "w/n")
    forget_model(session.database, "v/m")
    assert registry.models() == [kept]
    assert (registry.materialize(kept.variants[0].digest) / "config.json").is_file()


def test_a_removed_name_can_be_used_again(session: RegistrySession, registry: Registry, make_model: MakeModel) -> None:
    folder = make_model()
    first = registry.import_folder(folder, "v/m")
    forget_model(session.database, "v/m")
    assert registry.import_folder(folder, "v/m").variants == first.variants


def test_others_see_a_change_by_the_token(
    session: RegistrySession, registry: Registry, database_url: str, home: Path, make_model: MakeModel
) -> None:
    other_session = RegistrySession.open(database_url, home)
    other = other_session.registry
    tokens = [other.change_token(), other.change_token()]
    registry.import_folder(make_model(), "v/m")
    tokens.append(other.change_token())
    other.models()
    other.materialize(other.model("v/m").variants[0].digest)
    tokens.append(other.change_token())
    forget_model(session.database, "v/m")
    tokens.append(registry.change_token())
    other_session.close()
    assert tokens[0] == tokens[1] < tokens[2] == tokens[3] < tokens[4]
