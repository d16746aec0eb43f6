"""A decoder divided over two processes answers as a whole one, step by step, and its processes end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from panope_backends.api import LoadOptions, StepBatch, StepModel, StepSequence
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.tensor_parallel.peers import END_SECONDS
from panope_backends.errors import InvalidInputError
from panope_backends.testing.decoders import reference_logits, tiny_decoder

#: Two processes import PyTorch.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TEXTS = ([9, 17, 30, 11, 40, 12, 33, 21], [5, 6, 7], [40, 41, 42, 43, 44])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("llama")


@pytest.fixture(scope="module")
def divided(folder: Path) -> Iterator[StepModel]:
    model = CpuBackend().load(tiny_decoder(folder), folder, "CPU", LoadOptions(peer_devices=("CPU",)))
    assert isinstance(model, StepModel)
    model.allocate(8)
    yield model
    pids = model.peer_pids  # type: ignore[attr-defined]
    model.close()
    assert not any(psutil.pid_exists(pid) for pid in pids), "its other process ends with it"


def logits(model: StepModel, *parts: StepSequence) -> np.ndarray:
    return model.forward(StepBatch.of(parts)).copy()


def close_to(expected: Sequence[np.ndarray] | np.ndarray) -> object:
    return pytest.approx(np.asarray(expected), rel=1e-5, abs=1e-5)


def test_one_text_is_answered_as_by_the_whole_model(divided: StepModel, folder: Path) -> None:
    tokens = TEXTS[0]
    found = logits(divided, StepSequence(tokens, 0, [3], range(len(tokens))))
    assert found == close_to(reference_logits(folder, tokens))


def test_texts_side_by_side_and_token_by_token_are_too(divided: StepModel, folder: Path) -> None:
    expected = [reference_logits(folder, tokens) for tokens in TEXTS]
    first = [StepSequence(tokens[:-1], 0, [number]) for number, tokens in enumerate(TEXTS)]
    assert logits(divided, *first) == close_to([each[-2] for each in expected])
    last = [StepSequence(tokens[-1:], len(tokens) - 1, [number]) for number, tokens in enumerate(TEXTS)]
    assert logits(divided, *last) == close_to([each[-1] for each in expected])


def test_blocks_are_copied_in_every_part(divided: StepModel, folder: Path) -> None:
    tokens = TEXTS[0]
    logits(divided, StepSequence(tokens[:-1], 0, [0]))
    divided.copy_blocks([(0, 6)])
    found = logits(divided, StepSequence(tokens[-1:], len(tokens) - 1, [6]))
    assert found[0] == close_to(reference_logits(folder, tokens)[-1])


def test_a_step_that_is_refused_leaves_the_parts_together(divided: StepModel, folder: Path) -> None:
    with pytest.raises(InvalidInputError):
        logits(divided, StepSequence([1, 2], 0, [99]))
    test_one_text_is_answered_as_by_the_whole_model(divided, folder)


def test_another_cache_replaces_that_of_every_part(divided: StepModel, folder: Path) -> None:
    divided.allocate(12)
    tokens = TEXTS[1]
    assert logits(divided, StepSequence(tokens, 0, [11]))[0] == close_to(reference_logits(folder, tokens)[-1])


def test_each_part_holds_its_share_of_the_cache(divided: StepModel, folder: Path) -> None:
    whole = CpuBackend().load(tiny_decoder(folder), folder, "CPU", LoadOptions())
    assert isinstance(whole, StepModel)
    assert divided.cache == whole.cache, "of both parts together, which share the machine's memory"
    whole.close()


LEADER = """
import json, sys
from pathlib import Path
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend

folder = Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text())
facts = ModelFacts("acme/m", "safetensors", "generate", "LlamaForCausalLM", config)
model = CpuBackend().load(facts, folder, "CPU", LoadOptions(peer_devices=("CPU",)))
print(*model.peer_pids, flush=True)
sys.stdin.read()
model.close()
"""


@pytest.fixture
def leader(folder: Path, divided: StepModel) -> Iterator[tuple[subprocess.Popen[str], int]]:
    del divided  # which has written the folder
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.communicate()


def test_all_end_at_once_when_the_worker_closes_its_model(leader: tuple[subprocess.Popen[str], int]) -> None:
    process, peer = leader
    process.communicate(timeout=END_SECONDS / 2)  # nothing more comes
    assert process.returncode == 0
    assert not psutil.pid_exists(peer)


def test_the_worker_ends_with_a_peer(leader: tuple[subprocess.Popen[str], int]) -> None:
    process, peer = leader
    os.kill(peer, signal.SIGKILL)
    assert process.wait(10) == 5


def test_a_peer_ends_with_its_worker(leader: tuple[subprocess.Popen[str], int]) -> None:
    process, peer = leader
    process.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(peer) and psutil.Process(peer).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
