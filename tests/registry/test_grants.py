"""What an admin's grants let in, by import and from a hub, and what is refused without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from panope_backends.errors import PreconditionError
from panope_registry.folder import list_folder
from panope_registry.grants import Grants
from panope_registry.kinds import FileKind
from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.testing.hub import HubStandIn
from panope_registry.understand import Evidence, Understanding, understand

MakeModel = Callable[..., Path]
NAME = "acme/own"
PICKLED = {"modules.json": None, "model.safetensors": None, "pytorch_model.bin": b"\x80\x04."}
CODE = {
    "modules.json": None,
    "config.json": json.dumps({"architectures": ["OwnModel"], "auto_map": {"AutoModelForCausalLM": "own.OwnModel"}}),
    "own.py": "raise SystemExit",
    "tools/more.py": "",
}
ALL = Grants(("acme/*",), ("acme/own",))


@pytest.fixture
def told() -> list[Mapping[str, object]]:
    return []


@pytest.fixture
def granted(database_url: str, home: Path, told: list[Mapping[str, object]]) -> Iterator[Registry]:
    registry = Registry.open(database_url, home, grants=ALL, tell=lambda _, facts: told.append(facts))
    yield registry
    registry.close()


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def source(hub: HubStandIn) -> Iterator[HubSource]:
    source = HubSource(hub.endpoint)
    yield source
    source.close()


def test_a_grant_is_for_a_model_or_for_a_vendor() -> None:
    grants = Grants(pickles=("acme/*", "other/one"), remote_code=("acme/own",))
    assert grants.of("acme/own") == ("pickles", "remote_code")
    assert grants.of("acme/another") == ("pickles",)
    assert grants.of("other/one") == ("pickles",)
    assert grants.of("other/one-more") == grants.of("acmex/own") == ()


def test_granted_pickles_become_a_variant_of_their_own_format(
    granted: Registry, make_model: MakeModel, told: list[Mapping[str, object]]
) -> None:
    entry = granted.import_folder(make_model(files=PICKLED), NAME)
    (variant,) = entry.variants
    assert (variant.format, [file.path for file in variant.files if file.path.endswith(".bin")]) == (
        "pytorch",
        ["pytorch_model.bin"],
    )
    assert [(facts["model"], facts["setting"]) for facts in told] == [(NAME, "grants.pickles")]
    assert "grants.pickles" in entry.reasons["grants"]


def _understood(folder: Path, *grants: str) -> Understanding:
    return understand({file.path: file.source for file in list_folder(folder)}, Evidence(grants=grants))


def test_shards_of_pickles_are_one_variant_and_other_pickles_are_left_out(make_model: MakeModel) -> None:
    names = [f"pytorch_model-0000{part}-of-00002.bin" for part in (1, 2)]
    index = json.dumps({"weight_map": dict(zip("ab", names, strict=True))})
    files = PICKLED | dict.fromkeys(names, b"x") | {"pytorch_model.bin.index.json": index, "optimizer.pt": b"x"}
    (found,) = _understood(make_model(files=files), "pickles").weight_sets
    assert (found.format, list(found.files)) == ("pytorch", names)


def test_safetensors_are_taken_instead_of_pickles_whatever_the_grant(make_model: MakeModel) -> None:
    found = _understood(make_model(files={"pytorch_model.bin": b"x"}), "pickles")
    assert [weights.format for weights in found.weight_sets] == ["safetensors"]
    assert (found.kinds["pytorch_model.bin"], found.used_grants) == (FileKind.UNSAFE, ())


def test_granted_code_is_a_part_of_the_variant_and_nobody_runs_it(
    granted: Registry, make_model: MakeModel, told: list[Mapping[str, object]]
) -> None:
    entry = granted.import_folder(make_model(files=CODE), NAME)
    (variant,) = entry.variants
    assert {"own.py", "tools/more.py"} <= {file.path for file in variant.files}
    assert entry.task == "generate"  # as its auto_map says
    assert [facts["setting"] for facts in told] == ["grants.remote_code"]
    assert (granted.materialize(variant.digest) / "own.py").read_text() == "raise SystemExit"


def test_python_files_that_nothing_asks_for_stay_out(make_model: MakeModel) -> None:
    found = _understood(make_model(files={"train.py": "x"}), "remote_code")
    assert (found.kinds["train.py"], found.used_grants) == (FileKind.CODE, ())


@pytest.mark.parametrize("grants", [(), ("remote_code",)])
def test_code_that_is_offered_and_not_needed_takes_no_grant(make_model: MakeModel, grants: tuple[str, ...]) -> None:
    config = {"architectures": ["BertModel"], "model_type": "bert", "auto_map": {"AutoModel": "other/repo--own.X"}}
    found = _understood(make_model(files={"config.json": json.dumps(config), "own.py": "x"}), *grants)
    assert "not needed" in found.reasons["own code"]
    assert found.kinds["own.py"] is FileKind.CODE


def test_code_of_another_repo_is_refused_whatever_the_grant(make_model: MakeModel) -> None:
    config = json.dumps({"auto_map": {"AutoModel": "evil/code--modeling.X"}})
    with pytest.raises(PreconditionError, match="another repo"):
        _understood(make_model(files=CODE | {"config.json": config}), "remote_code")


@pytest.mark.parametrize(("files", "setting"), [(PICKLED, "grants.pickles"), (CODE, "grants.remote_code")])
def test_what_is_refused_names_the_setting(
    make_model: MakeModel, files: Mapping[str, bytes | str | None], setting: str
) -> None:
    other = "remote_code" if files is PICKLED else "pickles"
    with pytest.raises(PreconditionError, match=setting):
        _understood(make_model(files=files), other)


@pytest.mark.parametrize("files", [PICKLED, CODE], ids=["pickles", "code"])
def test_a_hubs_model_is_let_in_alike(
    granted: Registry,
    hub: HubStandIn,
    source: HubSource,
    make_model: MakeModel,
    files: Mapping[str, bytes | str | None],
) -> None:
    hub.add(NAME, make_model(files=files))
    imported = granted.register(NAME, source=source)
    (variant,) = imported.variants
    wanted = {file.path for file in granted.wanted(variant.digest)}
    assert wanted == {"pytorch_model.bin" if files is PICKLED else "model.safetensors"}
    assert ("own.py" in {file.path for file in variant.files}) is (files is CODE)


def test_a_grant_that_comes_later_makes_the_pickles_wanted(
    hub: HubStandIn, source: HubSource, make_model: MakeModel, registry: Registry, granted: Registry
) -> None:
    ir = '<net name="m"><layer type="Const"><data element_type="f16" shape="4" offset="0" size="8"/></layer></net>'
    files = PICKLED | {"openvino_model.xml": ir, "openvino_model.bin": bytes(8)}
    hub.add(NAME, make_model(files=files))
    assert [variant.format for variant in registry.register(NAME, source=source).variants] == ["openvino"]
    formats = {variant.format: variant for variant in granted.register(NAME, source=source).variants}
    assert [file.path for file in granted.wanted(formats["pytorch"].digest)] == ["pytorch_model.bin"]
