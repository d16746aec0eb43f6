"""The memory of programs that run models: limited, and given up first when the machine's is out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.engines.config_checks import check_built
from panope_backends.engines.torch.encoder.transformer import load_transformer
from panope_backends.errors import PreconditionError
from panope_backends.isolation.memory_limit import LIMIT, OOM_SCORE, is_out_of_memory
from panope_backends.testing.models import tiny_transformer
from panope_backends.worker.loading import load_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limits")

MIB = 1 << 20


def told_by(program: str, limit: int = 0) -> Any:
    """What a confined program prints."""
    environment = dict(os.environ) | ({LIMIT: str(limit)} if limit else {})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from panope_backends.isolation.memory_limit import limit_memory\nlimit_memory()\n{program}",
        ],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


ALLOCATE = """
import json, mmap, numpy as np
told = []
for make in (lambda: bytearray(400 << 20), lambda: np.ones(50 << 20), lambda: mmap.mmap(-1, 400 << 20, flags=0x22)):
    try:
        make()
        told.append("had it")
    except (MemoryError, OSError):
        told.append("refused")
print(json.dumps([*told, len(bytearray(50 << 20)) >> 20]))
"""


def test_an_allocation_past_the_limit_fails_and_the_program_lives_on() -> None:
    assert told_by(ALLOCATE, 300 * MIB) == ["refused", "refused", "refused", 50]
    assert told_by(ALLOCATE) == ["had it", "had it", "had it", 50]


def test_programs_that_it_starts_have_the_limit_too() -> None:
    program = (
        "import json, subprocess, sys\n"
        "inner = 'import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[1])'\n"
        "print(json.dumps(int(subprocess.check_output([sys.executable, '-c', inner]))))"
    )
    assert told_by(program, 300 * MIB) == 300 * MIB


def test_files_that_are_mapped_do_not_count(tmp_path: Path) -> None:
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(400 * MIB)
    program = (
        "import json, mmap\n"
        f"with open({str(tmp_path / 'weights')!r}, 'rb') as file:\n"
        "    print(json.dumps(len(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) >> 20))"
    )
    assert told_by(program, 300 * MIB) == 400


def test_the_kernel_is_told_to_end_it_before_the_server() -> None:
    score = "import json, pathlib; print(json.dumps(int(pathlib.Path('/proc/self/oom_score_adj').read_text())))"
    assert told_by(score) == OOM_SCORE
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert own < OOM_SCORE, "the tests' own process stands for the server"


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("cpu_memory.cpp:257:\nFailed to allocate 201326592 bytes of memory"), True),
        (RuntimeError("Failed to allocate memory for requested buffer of size 1"), True),
        (RuntimeError("shapes do not fit"), False),
    ],
)
def test_engines_words_for_want_of_memory_are_known(error: Exception, out: bool) -> None:
    assert is_out_of_memory(error) is out


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10_000_000},
        {"n_layer": 10_000_000},
        {"text_config": {"num_hidden_layers": 10_000_000}},
        {"num_blocks": 10_000_000},
        {"depth": 10_000_000},
    ],
)
def test_more_layers_than_the_weights_can_hold_are_refused_before_anything_is_built(
    run_program: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "model.safetensors").write_bytes(b"x" * 90_000)
    config = {"model_type": "bert", "architectures": ["BertModel"]} | changes
    model = {"name": "a/b", "format": "safetensors", "task": "embed", "architecture": "BertModel", "config": config}
    job = {"backend": "openvino", "format": "openvino", "precision": "fp32"}
    if "num_hidden_layers" in changes:  # one program stands for all
        ended = run_program(
            "panope_backends.programs.convert", document=job | {"model": model, "folder": str(source), "out": str(out)}
        )
        assert (ended.report["kind"], ended.report["reason"]) == ("failed_precondition", "unsupported_model")
        assert ended.report["message"] == (
            "config.json has 10,000,000 as `num_hidden_layers`; weights of 90,000 bytes are not of so many"
        )
    with pytest.raises(PreconditionError, match="has 10,000,000 as"):
        check_built(config, source)


def test_layers_as_models_have_them_pass(tmp_path: Path) -> None:
    check_built(tiny_transformer(tmp_path).config, tmp_path)
    # Layers may share their weights.
    check_built({"num_hidden_layers": 1000, "layer_norm_eps": 1e-12, "layers_block_type": ["a"]}, tmp_path)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_model_that_the_memory_does_not_suffice_for_is_not_called_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    facts = tiny_transformer(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("transformers.AutoModel.from_pretrained", fails)
    with pytest.raises(PreconditionError, match="needs more memory") as refusal:
        load_transformer(facts, tmp_path, "fp32")
    assert refusal.value.reason == "insufficient_memory"


def test_a_worker_that_the_memory_does_not_suffice_for_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(_: str) -> None:
        raise MemoryError

    monkeypatch.setattr("panope_backends.worker.loading.load_backend", fails)
    with pytest.raises(
        PreconditionError, match="the backend `greedy` needs more memory to load `a/b` than its worker may have"
    ):
        load_model(wire.Load(model="a/b", backend="greedy", folder=str(tmp_path)))
