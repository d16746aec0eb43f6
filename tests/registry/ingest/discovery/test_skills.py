"""`hf_*.py` skills are found and read; nothing in them runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from panope_registry.ingest.discovery import FoundModel, discover_models
from panope_registry.inspect.skills import MAX_BYTES

SKILL = """
from pathlib import Path
Path({canary!r}).touch()
raise SystemExit

class hf_bert:
    def __init__(self, resources=None, metadata=None):
        self.metadata = {{"model_name": "google-bert/bert-base-uncased", "architecture": "encoder-only"}}

    def init(self): ...
    def init_cpu(self, model=None, device="cpu"): ...
    def init_cuda(self): ...
    def init_qualcomm(self): ...
    def init_toaster(self): ...
    def create_cpu_text_embedding_endpoint_handler(self): ...
    def __test__(self): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "skills"
    folder.mkdir()
    return folder


def _found(folder: Path, text: str | bytes, name: str = "hf_x.py") -> FoundModel:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    (found,) = discover_models(folder)
    assert found.kind == "skill"
    return found


def test_a_skill_tells_its_model_task_and_hardware_and_does_not_run(folder: Path) -> None:
    canary = folder / "canary"
    found = _found(folder, SKILL.format(canary=str(canary)), "hf_bert.py")
    assert (found.name, found.task, found.hub_name) == ("skills/hf_bert", "embed", "google-bert/bert-base-uncased")
    assert found.facts == {
        "class": "hf_bert",
        "model": "google-bert/bert-base-uncased",
        "architecture": "encoder-only",
        "hardware": "cpu, torch-cuda, qnn",
    }
    assert "which a scan does not take in" in found.problem
    assert not canary.exists()


@pytest.mark.parametrize(
    ("body", "hub_name"),
    [
        ("model_name = 'a/b'", "a/b"),
        ("model_id: str = 'a/b'", "a/b"),
        ("def __init__(self, *, model='a/b'): self.x = 'c/d'", "a/b"),
        ("def init(self): self.model = AutoModel.from_pretrained('a/b')", "a/b"),
        ("def init(self): load(model_id='a/b')", "a/b"),
        ("def init(self): self.metadata = {'model_name': name(), **more}", ""),
        ("model_name = 'bert-base-uncased'", "bert-base-uncased"),
        ("model_name = 'a/b/c'", ""),
        ("model_name = '../../etc'", ""),
        ("pass", ""),
    ],
)
def test_the_models_name_is_found_wherever_it_is_written(folder: Path, body: str, hub_name: str) -> None:
    found = _found(folder, f"class hf_x:\n    {body}\n")
    assert found.hub_name == hub_name
    if not hub_name:
        assert "register the model" in found.problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1", "no class whose name begins with `hf_`"),
        ("class hf_x(:", "no Python: line 1"),
        ("(" * 100_000, "no Python"),
        ("-" * 200_000 + "1", "no Python"),
        ("class hf_x:\n    x = " + "a." * 100_000 + "b", "no Python"),
        ("class hf_x:\n    x = " + "1+" * 100_000 + "1", "no Python"),
        (b"\0", "no Python"),
        (b"# -*- coding: nonsense -*-\n", "no Python"),
        ("#" * (MAX_BYTES + 1), "larger than 256 KiB"),
    ],
)
def test_a_file_that_is_made_to_hurt_is_a_problem_and_no_more(folder: Path, text: str | bytes, problem: str) -> None:
    assert problem in _found(folder, text).problem


def test_skills_lie_beside_other_models(folder: Path) -> None:
    (folder / "hf_a.py").write_text("class hf_a: model_name = 'a/a'")
    (folder / "below").mkdir()
    (folder / "below" / "hf_b.py").write_text("class hf_b: model_name = 'b/b'")
    (folder / "hf_link.py").symlink_to("/etc/hostname")
    assert [found.hub_name for found in discover_models(folder)] == ["a/a", "b/b"]
