from collections.abc import Sequence

import numpy as np
import pytest

from panope_backends.tasks.task import Rows, SequenceJob, SequenceTask, TokenRow
from panope_backends.worker.batch.overhead import LEAST_TOKENS, MOST_TOKENS, measure_overhead


class Device(SequenceTask):
    """A device whose batches take as long as they are said to, on a clock of its own."""

    row_width = 1

    def __init__(self, seconds_a_batch: float, seconds_a_token: float) -> None:
        self.now = 0.0
        self._batch = seconds_a_batch
        self._token = seconds_a_token
        self._met: set[tuple[int, int]] = set()

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        shape = (len(sequences), len(sequences[0].ids))
        self.now += self._batch + self._token * shape[0] * shape[1]
        if shape not in self._met:
            self.now += 7.0  # what an engine does once for a shape
        self._met.add(shape)
        return np.zeros((len(sequences), 1), dtype=np.float32)

    def sample(self, tokens: int) -> TokenRow:
        return TokenRow(range(tokens))

    def prepare(self, data: bytes) -> SequenceJob:
        raise NotImplementedError

    def trial(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("seconds_a_batch", "seconds_a_token", "overhead"),
    [(0.001, 0.00001, 100), (0.0, 0.0002, LEAST_TOKENS), (0.01, 0.0, MOST_TOKENS), (1.0, 1e-9, MOST_TOKENS)],
    ids=["in between", "a processor", "no cost of tokens", "an accelerator"],
)
def test_the_overhead_is_worth_what_a_batch_costs_besides_its_tokens(
    monkeypatch: pytest.MonkeyPatch, seconds_a_batch: float, seconds_a_token: float, overhead: int
) -> None:
    device = Device(seconds_a_batch, seconds_a_token)
    monkeypatch.setattr("panope_backends.worker.batch.overhead.time.perf_counter", lambda: device.now)
    assert measure_overhead(device) == overhead
