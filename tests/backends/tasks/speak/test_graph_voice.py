"""Graphs that `panope.json` describes speak phonemes: which ids they get, what else they get, what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from safetensors.numpy import save_file
from tests.backends.tasks.speak.test_speak import SpeakSource, spoken
from tests.voice_graphs import INPUTS, KOKORO, PIPER, write_graph

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.api import Backend, LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.description import read_description
from panope_backends.graphs.terms import DescriptionError
from panope_backends.tasks.speak.module import SpeakModule
from panope_backends.tasks.speak.phonemes.espeak import PROGRAM, Phonemizer
from panope_server.tasks.speech.speak import SpeakTask
from panope_server.tasks.task import MeasuredModel


class GraphSource(SpeakSource):
    """A folder with a graph, and what runs it."""

    def __init__(self, folder: Path, backend: Backend | None = None) -> None:
        super().__init__(folder)
        self.backend = backend or CpuBackend()

    def load(self, config, folder=None, *, head=""):
        facts = ModelFacts("acme/v", "onnx", "speak", "", config)
        return self.backend.load(facts, self.folder, "CPU", LoadOptions())


def given_to(task: Any, text: str, **fields: Any) -> list[float]:
    """What the graph was given, as its samples tell it, without the silence behind what is very short."""
    parts = spoken(task, text, **{"seed": None, "is_ipa": True, **fields})
    samples = np.frombuffer(b"".join(part.audio for part in parts), "<i2") / 32768
    return [round(float(value), 1) for value in np.trim_zeros(samples, "b") * 100]


@pytest.fixture(scope="module", params=[CpuBackend, OpenVinoBackend], ids=lambda backend: backend.name)
def piper(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("piper")
    write_graph(folder, INPUTS, PIPER)
    task = SpeakModule().load(GraphSource(folder, request.param()))
    yield task
    task.close()


def test_phonemes_become_ids_with_those_around_and_between_them(piper):
    facts = messages.SpeakFacts.FromString(piper.facts)
    assert (list(facts.voices), facts.takes_phonemes) == (["default"], True)
    right = [1, 0, 5, 0, 6, 0, 3, 0, 5, 0, 9, 0, 2, 13, 0.25, 0.5, 0.125]
    assert given_to(piper, "hə h.") == pytest.approx(right, abs=0.051)


def test_a_sign_that_is_composed_is_found_by_its_parts(piper):
    assert given_to(piper, "\u00e7")[:7] == [1, 0, 7, 0, 8, 0, 2]


def test_a_voice_is_measured_with_phonemes_that_it_speaks(piper):
    facts = messages.SpeakFacts.FromString(piper.facts)
    assert facts.signs == "həc"
    (workload,) = SpeakTask.workloads
    first, second = (workload.input(number, MeasuredModel(facts=facts)) for number in (1, 2))
    assert first.text != second.text
    for asked in (first, second):
        (part,) = spoken(piper, asked.text, is_ipa=asked.input_format == "ipa", seed=asked.seed)
        assert part.seconds


def test_a_voice_of_characters_is_measured_with_words():
    (workload,) = SpeakTask.workloads
    asked = workload.input(1, MeasuredModel(facts=messages.SpeakFacts(voices=["default"])))
    assert (asked.input_format, asked.seed, len(asked.text.split())) == ("text", 1, 12)


def test_speed_makes_lengths_shorter(piper):
    assert given_to(piper, "h", speed=2.0)[-2] == pytest.approx(0.25, abs=0.051), "half of the length 0.5"


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"text": "hжд"}, "text", "no phonemes of the model: ж д"),
        ({"text": "h", "is_ipa": False}, "text", "names no `language`"),
        ({"text": "h", "seed": 1}, "seed", "no seed reaches it"),
        ({"text": "h", "voice": "anna"}, "voice", "none of the model's: default"),
        ({"text": " \n "}, "text", "no character"),
    ],
)
def test_what_the_graph_cannot_honour_is_refused_by_name(piper, fields, field, why):
    with pytest.raises(InvalidInputError, match=why) as caught:
        given_to(piper, **fields)
    assert caught.value.field == field


def test_a_voice_has_a_style_for_each_number_of_phonemes(tmp_path):
    inputs = {
        "tokens": (TensorProto.INT64, [1, "n"]),
        "style": (TensorProto.FLOAT, [1, 2]),
        "speed": (TensorProto.FLOAT, [1]),
    }
    write_graph(tmp_path, inputs, KOKORO)
    tables = {name: np.arange(6, dtype=np.float32).reshape(3, 1, 2) + add for name, add in (("ada", 10), ("bob", 20))}
    save_file(tables, tmp_path / "styles.safetensors")
    task = SpeakModule().load(GraphSource(tmp_path))
    assert list(messages.SpeakFacts.FromString(task.facts).voices) == ["ada", "bob"]
    assert given_to(task, "h") == [1, 5, 2, 12, 13, 1]
    assert given_to(task, "həhə", voice="bob", speed=1.5) == [1, 5, 6, 5, 6, 2, 24, 25, 1.5], (
        "the longest that there is"
    )
    task.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"output": {"decoder": "waveform", "waveform": "sound"}}, "names the output `sound`"),
        ({"input": {"tokens": "input"}}, "the graph takes input, input_lengths, scales"),
    ],
)
def test_a_description_that_is_not_of_the_graph_is_refused_when_it_is_loaded(tmp_path, changes, why):
    write_graph(tmp_path, INPUTS, PIPER | changes)
    with pytest.raises(PreconditionError, match=why):
        SpeakModule().load(GraphSource(tmp_path))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sample_rate": 10}, "sample_rate"),
        ({"phonemes": {"ids": {}}}, "phonemes.ids"),
        ({"phonemes": {"ids": {"a": [-1]}}}, "phonemes.ids"),
        ({"styles": "styles.safetensors"}, "`styles` and `input.style` go together"),
        ({"styles": "../styles.safetensors"}, "styles"),
        ({"voices": ["ada"]}, "`voices` and `input.speaker` go together"),
        ({"language": "en; rm"}, "language"),
        ({"output": {"decoder": "labels"}}, "output.decoder"),
        ({"tempo": 1}, "tempo"),
    ],
)
def test_a_description_of_a_voice_that_is_wrong_is_refused_by_its_key(changes, why):
    with pytest.raises(DescriptionError, match=why):
        read_description(PIPER | changes)


@pytest.fixture
def espeak(tmp_path, monkeypatch):
    """A program in the place of eSpeak NG, which writes capitals."""
    program = tmp_path / PROGRAM
    program.write_text("#!/bin/sh\ntr a-z A-Z | sed 's/WORLD/(fr)WORLD(en)/'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("espeak")
def test_marks_stand_between_the_phonemes_of_clauses():
    assert Phonemizer("en-us").phonemes("hello,  world:\nit rains...") == "HELLO, WORLD: IT RAINS..."
    assert Phonemizer("en-us").phonemes("...") == ""


@pytest.mark.usefixtures("espeak")
def test_a_text_becomes_phonemes_of_which_unknown_ones_are_left_out(tmp_path):
    folder = tmp_path / "voice"
    folder.mkdir()
    write_graph(folder, INPUTS, PIPER | {"language": "en-us", "phonemes": {"ids": {"H": [5], " ": [3], ".": [9]}}})
    task = SpeakModule().load(GraphSource(folder))
    assert given_to(task, "hi h.", is_ipa=False)[:4] == [5, 3, 5, 9]
    task.close()


def test_texts_are_refused_where_the_program_is_not_installed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidInputError, match="espeak-ng") as caught:
        Phonemizer("en-us").phonemes("hello")
    assert caught.value.field == "text"
