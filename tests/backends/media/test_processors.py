"""Which processors of images need PyTorch, as files tell before transformers is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from panope_backends.media import processors

PROGRAM = """
import sys
from pathlib import Path
from panope_backends.media.processors import load_image_processor, trial_image
made = load_image_processor(Path(sys.argv[1])).arrays(trial_image(), "images[0]")
print(made["pixel_values"].shape, sys.modules.get("torch") is not None)
"""


@pytest.fixture
def nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def described(folder: Path, **content: object) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.usefixtures("nothing_imported")
@pytest.mark.parametrize(
    ("kind", "is_needed"),
    [
        ("DINOv3ViTImageProcessorFast", True),
        ("RfDetrImageProcessor", True),
        ("ViTImageProcessorFast", False),
        ("CLIPFeatureExtractor", False),
        ("../../etc/passwd", False),
    ],
)
def test_it_is_left_to_processors_that_exist_for_it_alone(tmp_path: Path, kind: str, is_needed: bool) -> None:
    assert processors._needs_torch(described(tmp_path, image_processor_type=kind)) is is_needed


@pytest.mark.usefixtures("nothing_imported")
@pytest.mark.parametrize("content", ["[]", "3", '{"image_processor_type": 3}', '{"image_processor": [1]}', "{"])
def test_files_that_describe_nothing_need_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "processor_config.json").write_text(content)
    assert not processors._needs_torch(tmp_path)


@pytest.mark.parametrize(("kind", "with_torch"), [("DINOv3ViTImageProcessorFast", True), ("ViTImageProcessor", False)])
def test_a_process_that_runs_another_engine_imports_pytorch_for_those_alone(
    tmp_path: Path, kind: str, with_torch: bool
) -> None:
    folder = described(tmp_path, image_processor_type=kind, size={"height": 32, "width": 32})
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ})
    assert done.stdout.strip() == f"(3, 32, 32) {with_torch}"


def test_arrays_are_numpys_whatever_made_them(tmp_path: Path) -> None:
    folder = described(tmp_path, image_processor_type="DINOv3ViTImageProcessorFast", size={"height": 32, "width": 32})
    made = processors.load_image_processor(folder).arrays(processors.trial_image(), "images[0]")
    assert {type(array) for array in made.values()} == {np.ndarray}
