"""Models that are code: which files make one, what belongs to it, and who may take it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError
from panope_backends.testing.python_models import CONFIG, SKILL_CODE
from panope_registry.ingest.discovery import ScanOptions, discover_models
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.grants import Grants
from panope_registry.inspect.inspect import Evidence, Inspection, inspect_files

MakeModel = Callable[..., Path]

CODE = "raise SystemExit"
TRITON = {"config.pbtxt": CONFIG, "1/model.py": CODE, "1/helper.py": CODE}


@pytest.fixture
def understood(tmp_path: Path) -> Callable[..., Inspection]:
    """What is understood of files, by a grant unless it is said otherwise."""

    def understood(
        files: dict[str, str], grants: tuple[str, ...] = ("remote_code",), hints: tuple[str, ...] = ()
    ) -> Inspection:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return inspect_files({file.path: file.source for file in list_folder(tmp_path)}, Evidence(hints, grants=grants))

    return understood


def test_all_files_but_those_for_people_belong_to_code(understood: Callable[..., Inspection]) -> None:
    data = {"1/weights.pt": "x", "labels.txt": "x", "1/lib.so": "x", "README.md": "x", "tokenizer.json": "{}"}
    found = understood(TRITON | data)
    (weights,) = found.weight_sets
    assert (weights.format, weights.main_files, found.task) == ("python", ("1/model.py",), "")
    assert set(weights.files) == {"1/weights.pt", "labels.txt", "1/lib.so"}
    assert found.kinds["1/model.py"] is found.kinds["1/helper.py"] is FileKind.GRANTED_CODE
    assert found.kinds["README.md"] is FileKind.DOCUMENT
    assert found.used_grants == ("grants.remote_code",)


@pytest.mark.parametrize(("files", "file"), [(TRITON, "1/model.py"), ({"hf_lengths.py": SKILL_CODE}, "hf_lengths.py")])
def test_without_a_grant_the_file_that_is_code_is_named(
    understood: Callable[..., Inspection], files: dict[str, str], file: str
) -> None:
    with pytest.raises(PreconditionError, match=rf"`{file}` is the model's own code.*`grants\.remote_code`") as caught:
        understood(files, ("pickles", "network"))
    assert caught.value.reason == "remote_code"


def test_a_skill_that_embeds_is_for_that_task(understood: Callable[..., Inspection]) -> None:
    found = understood({"hf_lengths.py": SKILL_CODE})
    assert (found.task, found.weight_sets[0].format) == ("embed", "python")
    assert "class: hf_lengths" in found.reasons["task"]


def test_a_skill_for_another_task_is_asked_by_tensors(understood: Callable[..., Inspection]) -> None:
    assert understood({"hf_lengths.py": SKILL_CODE.replace("text_embedding", "text_generation")}).task == ""


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"config.pbtxt": 'backend: "python"'}, "no version has the file `model.py`"),
        ({"config.pbtxt": CONFIG.replace("FP64", "BF16"), "1/model.py": ""}, "has the type TYPE_BF16"),
        ({"config.pbtxt": CONFIG + 'default_model_filename: "x.so"', "1/x.so": ""}, "`x.so`, which is no Python file"),
        ({"hf_a.py": SKILL_CODE, "hf_b.py": SKILL_CODE}, "holds 2 skills, such as `hf_a.py` and `hf_b.py`"),
        ({"hf_a.py": "x = ("}, "`hf_a.py` is broken: it is no Python: line 1"),
        ({"hf_a.py": "x = 1"}, "has no class whose name begins with `hf_`"),
    ],
)
def test_what_is_wrong_with_code_is_told(
    understood: Callable[..., Inspection], files: dict[str, str], told: str
) -> None:
    with pytest.raises(PanopeError) as caught:
        understood(files)
    assert told in caught.value.message


def test_a_task_that_the_code_is_not_for_is_refused(understood: Callable[..., Inspection]) -> None:
    with pytest.raises(InvalidInputError, match=r"`1/model\.py` is for tensors alone, not for the task `embed`"):
        understood(TRITON, hints=("embed",))


def test_a_skill_beside_weights_is_one_way_more_to_run_them(make_model: MakeModel) -> None:
    folder = make_model(files={"modules.json": None, "hf_lengths.py": SKILL_CODE})
    files = {file.path: file.source for file in list_folder(folder)}
    without, granted = (inspect_files(files, Evidence(grants=grants)) for grants in ((), ("remote_code",)))
    assert [found.format for found in without.weight_sets] == ["safetensors"]
    assert without.kinds["hf_lengths.py"] is FileKind.CODE
    assert [found.format for found in granted.weight_sets] == ["safetensors", "python"]
    assert "model.safetensors" in granted.weight_sets[1].files
    assert granted.kinds["hf_lengths.py"] is FileKind.GRANTED_CODE


def test_a_scan_takes_tritons_code_in_by_a_grant_with_its_places(tmp_path: Path) -> None:
    files = TRITON | {"3/model.py": CODE, "data.txt": "x"}
    for name, text in files.items():
        (tmp_path / "models/tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models/tiny" / name).write_text(text)
    (refused,) = discover_models(tmp_path / "models")
    assert "`3/model.py` is the model's own code" in refused.problem
    (found,) = discover_models(tmp_path / "models", ScanOptions(grants=Grants(remote_code=("models/*",))))
    assert (found.problem, found.kind, found.facts["version"]) == ("", "triton", "3")
    assert [file.path for file in found.files] == ["3/model.py", "config.pbtxt", "data.txt"]
