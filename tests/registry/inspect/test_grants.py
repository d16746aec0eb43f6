"""What an admin's grants let in, by import and from a hub, and what is refused without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.grants import Grants
from panope_registry.inspect.inspect import Evidence, Inspection, inspect_files
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.testing.hub import HubStandIn

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
    session = RegistrySession.open(database_url, home, grants=ALL, emit=lambda _, facts: told.append(facts))
    registry = session.registry
    yield registry
    session.close()


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
    assert Grants(remote_code=("acme/own",), network=("acme/*",)).of("acme/own") == ("remote_code", "network")
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


def _understood(folder: Path, *grants: str) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)}, Evidence(grants=grants))


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


BERT = {"architectures": ["BertModel"], "model_type": "bert"}


def _asking(**auto_map: object) -> dict[str, str]:
    return {"config.json": json.dumps(BERT | {"auto_map": auto_map}), "own.py": "x"}


@pytest.mark.parametrize("auto_class", ["AutoConfig", "AutoModel", "AutoTokenizer"])
def test_code_in_the_place_of_a_known_class_is_refused_by_the_file_that_asks(
    make_model: MakeModel, auto_class: str
) -> None:
    with pytest.raises(
        PreconditionError,
        match=r"`config\.json` asks for code in `own\.py` \(`auto_map`: `own\.X`\).*grants\.remote_code",
    ) as caught:
        _understood(make_model(files=_asking(**{auto_class: "own.X"})))
    assert caught.value.reason == "remote_code"


def test_granted_code_in_the_place_of_a_known_class_is_taken_in(make_model: MakeModel) -> None:
    found = _understood(make_model(files=_asking(AutoModel="own.X")), "remote_code")
    assert found.kinds["own.py"] is FileKind.GRANTED_CODE
    assert found.used_grants == ("grants.remote_code",)


@pytest.mark.parametrize("grants", [(), ("remote_code",)])
@pytest.mark.parametrize(
    "auto_map", [["own.Slow", None], {"AutoTokenizer": ["own.Slow", "own.Fast"]}], ids=["list", "map"]
)
def test_a_tokenizer_of_the_models_own_code_is_refused_whatever_the_grant(
    make_model: MakeModel, auto_map: object, grants: tuple[str, ...]
) -> None:
    files = {"tokenizer_config.json": json.dumps({"auto_map": auto_map}), "own.py": "x"}
    with pytest.raises(PreconditionError, match=r"`tokenizer_config\.json` asks for .*`own\.py`"):
        _understood(make_model(files=files), *grants)


@pytest.mark.parametrize("grants", [(), ("remote_code",)])
def test_code_for_a_head_that_embedding_does_not_load_takes_no_grant(
    make_model: MakeModel, grants: tuple[str, ...]
) -> None:
    found = _understood(make_model(files=_asking(AutoModelForMaskedLM="other/repo--own.X")), *grants)
    assert (found.task, found.kinds["own.py"], found.used_grants) == ("embed", FileKind.CODE, ())


def test_granted_code_that_is_not_in_the_folder_is_refused_by_its_name(make_model: MakeModel) -> None:
    with pytest.raises(PreconditionError, match=r"`config\.json` asks for code in `lost/own\.py`"):
        _understood(make_model(files=_asking(AutoModel="lost.own.X")), "remote_code")


def test_a_graph_needs_no_code_and_is_taken_without_the_weights_that_do(make_model: MakeModel) -> None:
    ir = '<net name="m"><layer type="Const"><data element_type="f16" shape="4" offset="0" size="8"/></layer></net>'
    files = _asking(AutoModel="own.X") | {"openvino_model.xml": ir, "openvino_model.bin": bytes(8)}
    found = _understood(make_model(files=files))
    assert [weights.format for weights in found.weight_sets] == ["openvino"]
    assert found.kinds["model.safetensors"] is FileKind.OTHER
    assert "so model.safetensors cannot be run" in found.reasons["own code"]


ASKED, ASKS = "acme/code", "other/asks"
ELSEWHERE = {
    "config.json": json.dumps({**BERT, "auto_map": {"AutoModel": f"{ASKED}--sub.own.X"}}),
    "modules.json": None,
}
WITH_CODE = Grants(remote_code=("acme/*", "other/asks"))


@pytest.fixture
def running(database_url: str, home: Path) -> Iterator[Registry]:
    session = RegistrySession.open(database_url, home, grants=WITH_CODE)
    yield session.registry
    session.close()


def _code(folder: Path, text: str = "x = 1") -> Path:
    """A repo of code alone."""
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/own.py").write_text(text)
    (folder / "README.md").write_text("code")
    return folder


def test_code_of_another_repo_comes_with_the_model_that_asks_for_it(
    running: Registry, make_model: MakeModel, tmp_path: Path
) -> None:
    (code,) = running.import_folder(_code(tmp_path / "code"), ASKED).variants
    assert (code.format, [file.path for file in code.files]) == ("code", ["sub/own.py"])
    entry = running.import_folder(make_model(files=ELSEWHERE), ASKS)
    (variant,) = entry.variants
    assert (running.materialize(variant.digest) / "panope_code/acme/code/sub/own.py").read_text() == "x = 1"
    assert entry.reasons["code"] == f"it is that of {ASKED} as it is registered here"
    assert "grants.remote_code" in entry.reasons["grants"]


def test_the_code_that_a_model_asks_for_stays_as_it_was_when_the_model_was_registered(
    running: Registry, make_model: MakeModel, tmp_path: Path
) -> None:
    running.import_folder(_code(tmp_path / "code"), ASKED)
    (variant,) = running.import_folder(make_model(files=ELSEWHERE), ASKS).variants
    running.import_folder(_code(tmp_path / "later", "x = 2"), ASKED)
    assert (running.materialize(variant.digest) / "panope_code/acme/code/sub/own.py").read_text() == "x = 1"
    (again,) = running.import_folder(make_model(files=ELSEWHERE), ASKS).variants
    assert again.digest != variant.digest


def test_code_of_another_repo_comes_to_a_hubs_model_too(
    running: Registry, make_model: MakeModel, tmp_path: Path, hub: HubStandIn, source: HubSource
) -> None:
    hub.add(ASKED, _code(tmp_path / "code"))
    hub.add(ASKS, make_model(files=ELSEWHERE))
    running.register(ASKED, source=source)
    (variant,) = running.register(ASKS, source=source).variants
    assert "panope_code/acme/code/sub/own.py" in {file.path for file in variant.files}
    assert {file.path for file in running.missing_files(variant.digest)} == {"model.safetensors"}


def test_code_of_a_repo_that_is_not_registered_is_refused_with_the_way_out(
    running: Registry, make_model: MakeModel
) -> None:
    with pytest.raises(
        NotFoundError, match=r"`acme/code` .*not registered here; pull or import `acme/code` under that name first$"
    ) as told:
        running.import_folder(make_model(files=ELSEWHERE), ASKS)
    assert told.value.reason == "code_repo_not_found"


def test_of_a_repo_of_code_without_a_grant_the_grant_is_told_too(
    database_url: str, home: Path, make_model: MakeModel
) -> None:
    session = RegistrySession.open(database_url, home, grants=Grants(remote_code=(ASKS,)))
    try:
        with pytest.raises(
            NotFoundError, match=r"let the setting `grants\.remote_code` list `acme/code` too, and pull"
        ):
            session.registry.import_folder(make_model(files=ELSEWHERE), ASKS)
    finally:
        session.close()


def test_a_repo_without_the_code_that_is_asked_for_is_refused_by_the_files_name(
    running: Registry, make_model: MakeModel, tmp_path: Path
) -> None:
    folder = _code(tmp_path / "code")
    (folder / "sub/own.py").rename(folder / "sub/other.py")
    running.import_folder(folder, ASKED)
    with pytest.raises(PreconditionError, match=r"registered here without `sub/own\.py`"):
        running.import_folder(make_model(files=ELSEWHERE), ASKS)


def test_code_of_another_repo_needs_a_grant_for_the_model_that_asks(
    running: Registry, make_model: MakeModel, tmp_path: Path
) -> None:
    running.import_folder(_code(tmp_path / "code"), ASKED)
    with pytest.raises(PreconditionError, match=r"code from the repo `acme/code` .*lists the model and that repo"):
        running.import_folder(make_model(files=ELSEWHERE), "other/another")


def test_a_repo_of_code_alone_is_no_model_without_a_grant(running: Registry, tmp_path: Path) -> None:
    told = r"holds code \(sub/own\.py\) and no weights; .*`grants\.remote_code` lists it"
    with pytest.raises(PreconditionError, match=told):
        running.import_folder(_code(tmp_path / "code"), "other/code")


def test_a_name_that_is_no_repos_is_refused(running: Registry, make_model: MakeModel) -> None:
    config = json.dumps({**BERT, "auto_map": {"AutoModel": "../../etc--own.X"}})
    with pytest.raises(PreconditionError, match="no model's name"):
        running.import_folder(make_model(files=ELSEWHERE | {"config.json": config}), ASKS)


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
    wanted = {file.path for file in granted.missing_files(variant.digest)}
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
    assert [file.path for file in granted.missing_files(formats["pytorch"].digest)] == ["pytorch_model.bin"]
