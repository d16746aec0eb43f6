"""Runs trials in processes of their own, so that a crash, a hang or a leak costs one class."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from panope_backends.testing.architectures import Entry, write_architecture
from sweeping.serving import loaded, quiet
from sweeping.trial import Outcome, tried

MEMORY_BYTES = 12 << 30
PROCESSOR_SECONDS = 60
WALL_SECONDS = 900


def warm() -> None:
    """Imports, before any fork, what every trial needs: for all of them once."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with quiet(), tempfile.TemporaryDirectory() as name:
        write_architecture(Path(name), "llama", "LlamaForCausalLM", "generate")
        loaded(Path(name), "generate").model.close()


def outcomes(wanted: Sequence[tuple[Entry, str]]) -> Iterator[Outcome]:
    """Tries classes of one architecture, one after another, in as few processes as crash.

    Args:
        wanted: the classes, each with its task.
    """
    done = 0
    while done < len(wanted):
        found, why = _in_child(wanted[done:])
        yield from found
        done += len(found)
        if done < len(wanted):
            yield Outcome(wanted[done][1], recognised=True, reason=why)
            done += 1


def _in_child(wanted: Sequence[tuple[Entry, str]]) -> tuple[list[Outcome], str]:
    """The outcomes up to where it ended, and why it ended there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run(wanted, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = [Outcome(**json.loads(line)) for line in pipe]
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return found, "the process that tries it ends without an answer"
    number = os.WTERMSIG(status)
    limits = {
        signal.SIGXCPU: f"takes more than {PROCESSOR_SECONDS} s",
        signal.SIGALRM: f"takes more than {WALL_SECONDS} s",
    }
    return found, limits.get(signal.Signals(number), f"the process that tries it dies of {signal.Signals(number).name}")


def _run(wanted: Sequence[tuple[Entry, str]], writing: int) -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what workers log
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        for entry, task in wanted:
            used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
            resource.setrlimit(resource.RLIMIT_CPU, (used + PROCESSOR_SECONDS, resource.RLIM_INFINITY))
            signal.alarm(WALL_SECONDS)
            with quiet(), tempfile.TemporaryDirectory() as name:
                outcome = tried(entry, task, Path(name) / "model")
            os.write(writing, (json.dumps(asdict(outcome)) + "\n").encode())
            gc.collect()
    finally:
        os._exit(0)
