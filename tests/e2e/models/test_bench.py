"""`panope bench` on the real MiniLM, and that what it measures decides."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import command_line
from panope_backends.host.processors import usable_processors
from panope_registry.session import RegistrySession

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def panope(*arguments: str, code: int = 0) -> str:
    result = command_line.panope(*arguments, code=code)
    return " ".join((result.out + result.err).split())


@pytest.fixture
def home(converted_home: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(converted_home, tmp_path / "home", symlinks=True))


def test_what_is_measured_is_kept_shown_and_decides(home: Path) -> None:
    where = ("--home", str(home), "--json")
    chosen = ("--backend", "openvino", "--precision", "fp32", "--seconds", "0.05", "--max-background-load", "1")
    (candidate,) = json.loads(panope("bench", MODEL, *chosen, *where))["candidates"]
    workloads = [profile["workload"] for profile in candidate["profiles"]]
    assert workloads == ["embed-22-words-batch-32", "embed-22-words-batch-1"]
    for profile in candidate["profiles"]:
        assert profile["items_per_second"] > 1
        assert 0 < profile["latency_p50_seconds"] <= profile["latency_p99_seconds"]
        assert 50e6 < profile["memory_bytes"] < 5e9  # at least some of the weights
        assert profile["load_seconds"] > 0
        assert profile["details"]["processor_seconds_per_item"] > 0
        assert (profile["precision"], profile["device"][:4]) == ("fp32", "CPU ")
        details = profile["details"]
        assert details["agreement"] > 0.9999  # with PyTorch, which is measured no further
        assert details["reference"] == "cpu CPU with safetensors fp32, computed in fp32"

    shown = json.loads(panope("show", MODEL, "--candidates", *where))
    original, made = shown["variants"]
    assert {profile["workload"] for profile in made["profiles"]} == {p["workload"] for p in candidate["profiles"]}
    assert shown["candidates"][0]["candidate"].startswith("openvino")

    _record_on_cpu(home, original["digest"], made["digest"], 2.0)
    first = json.loads(panope("show", MODEL, "--candidates", *where))["candidates"][0]
    assert first["candidate"].startswith("cpu")
    assert "because it was measured at" in first["reason"]

    recommended = json.loads(panope("recommend", "embed", *where))["models"]
    assert [(way["model"], way["backend"], way["precision"]) for way in recommended] == [(MODEL, "cpu", "fp32")]
    _record_on_cpu(home, original["digest"], made["digest"], 4.0, details={"agreement": 0.1, "least_agreement": 0.99})
    shown = json.loads(panope("show", MODEL, "--candidates", *where))["candidates"]
    assert shown[0]["candidate"].startswith("openvino"), "twice as fast, and wrong"


@pytest.mark.slow  # a whole measurement, to throw it away
def test_what_other_programs_disturb_is_said_and_not_kept(home: Path) -> None:
    where = ("--home", str(home))
    chosen = ("--backend", "openvino", "--precision", "fp32", "--seconds", "0.05", "--max-background-load", "0")
    program = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as busy:
        try:
            assert busy.stdout is not None
            busy.stdout.readline()
            told = panope("bench", MODEL, *chosen, *where, code=1)
        finally:
            busy.kill()
    assert "not kept, and it decides nothing: other programs took too much of the processors" in told
    shown = json.loads(panope("show", MODEL, *where, "--json"))
    assert [variant["profiles"] for variant in shown["variants"]] == [[], []]


def test_a_model_that_cannot_be_measured_is_said_to_be_so(home: Path) -> None:
    where = ("--home", str(home))
    assert "`acme/none` does not exist" in panope("bench", "acme/none", *where, code=1)
    assert "`--precision` cannot be `fp64`" in panope("bench", MODEL, "--precision", "fp64", *where, code=1)


def _record_on_cpu(home: Path, digest: str, other: str, times: float, **more: Any) -> None:
    """A measurement of one variant on the cpu backend, so many times as fast as the other's."""
    devices = json.loads(panope("hardware", "--home", str(home), "--json"))
    cpu = next(device for device in devices if device["backend"] == "cpu")
    with RegistrySession.open(home / "registry.sqlite3", home) as session:
        profiles = session.profiles
        measured = next(p for p in profiles.of_variants([other]) if p.workload.endswith("batch-32"))
        device = f"{cpu['name']} {cpu['description']} ({usable_processors()} usable)"
        engine = cpu["engine_version"]
        same = replace(measured, variant_digest=digest, backend="cpu", engine_version=engine, device=device)
        profiles.record([replace(same, items_per_second=times * measured.items_per_second, **more)])
