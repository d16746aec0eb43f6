"""What the worker asks of a task that runs token sequences: prepare a request, run a batch, make the answer.

The worker owns the queue and the batches; a task knows neither. A batch mixes sequences of different requests, so
`run` depends on the sequences alone, and what one request asked for is done in its job's `answer`.

Threads: `prepare` is called from the worker's intake thread while `run` and `answer` are called from its device thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import worker_pb2 as wire

Rows = NDArray[np.float32]
"""One row for each sequence."""


@dataclass(slots=True, frozen=True)
class TokenRow:
    """One text as the model sees it.

    Attributes:
        ids: of the model's vocabulary, special tokens included; at least one.
        prompt_tokens: how many leading ids are the prompt and the special tokens before it; 0 without a prompt.
    """

    ids: Sequence[int]
    prompt_tokens: int = 0


class SequenceJob(ABC):
    """One request on its way through the worker."""

    sequences: Sequence[TokenRow]
    """What must run, in the order of the request's texts; at least one."""

    @abstractmethod
    def answer(self, rows: Rows) -> wire.WorkerFrame:
        """The frame's body from the rows of all sequences, in their order; id and timing are set by the worker."""


class SequenceTask(ABC):
    """A task over token sequences."""

    @property
    @abstractmethod
    def row_width(self) -> int:
        """The number of values that `run` gives for each sequence; known after `trial`."""

    @abstractmethod
    def prepare(self, frame: wire.ServerFrame) -> SequenceJob:
        """Makes tokens of a request.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """

    @abstractmethod
    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch."""

    def pad_alone(self, wanted: bool) -> None:  # noqa: B027 - optional: a task may never pad
        """Says whether a text that runs alone, or beside others of its length, may be padded; it may at first."""

    @abstractmethod
    def sample(self, tokens: int) -> TokenRow:
        """A text of about so many tokens, to measure with; shorter when the model takes no more."""

    @abstractmethod
    def trial(self) -> None:
        """Runs a short text once, so that a model that cannot answer is never called ready.

        Raises:
            PanopeError: the model's answer is no answer.
        """
