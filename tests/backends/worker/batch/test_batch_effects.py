"""Which texts may run together is what the model's answers say."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.tasks.embed.inputs import WIDTH_STEP
from panope_backends.tasks.task import Rows, SequenceJob, SequenceTask, TokenRow
from panope_backends.worker.batch.batch_effects import Batching, measure_batching

Effect = Callable[[np.ndarray, list[TokenRow], int], np.ndarray]

WIDTH = 4
NOISE = np.array([0.0, 1.0, 0.0, 0.0])


class Model(SequenceTask):
    """Answers by the text alone, and then as `effect` says: of the rows, the batch and the width it is padded to."""

    row_width = WIDTH

    def __init__(self, effect: Effect, most_tokens: int = 64) -> None:
        self._effect = effect
        self._most_tokens = most_tokens
        self.pads_alone = True

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        lengths = {len(row.ids) for row in sequences}
        width = max(lengths)
        if self.pads_alone or len(lengths) > 1:
            width = -(-width // WIDTH_STEP) * WIDTH_STEP
        rows = np.stack([vector(row) for row in sequences])
        return self._effect(rows, list(sequences), width).astype(np.float32)

    def pad_alone(self, wanted: bool) -> None:
        self.pads_alone = wanted

    def sample(self, tokens: int) -> TokenRow:
        middle = max(0, min(tokens, self._most_tokens) - 2)
        return TokenRow([1, *range(3, 3 + middle), 2][: self._most_tokens])

    def prepare(self, data: bytes) -> SequenceJob:
        raise NotImplementedError

    def trial(self) -> None:
        raise NotImplementedError


def vector(row: TokenRow) -> np.ndarray:
    return 2 + np.sin(np.outer(row.ids, np.arange(1, WIDTH + 1))).mean(axis=0)


def nothing(rows: np.ndarray, _: list[TokenRow], __: int) -> np.ndarray:
    return rows


def rounding_of(size: float) -> Effect:
    return lambda rows, batch, width: rows + size * NOISE * (len(batch) + width)


def padding(rows: np.ndarray, batch: list[TokenRow], width: int) -> np.ndarray:
    """Each token of padding reaches the text that it is beside."""
    return rows + np.outer([width - len(row.ids) for row in batch], NOISE)


def long_padding(rows: np.ndarray, batch: list[TokenRow], width: int) -> np.ndarray:
    """The same past a multiple of eight tokens, so that only longer company shows it."""
    return rows + np.outer([(width - len(row.ids)) // WIDTH_STEP for row in batch], NOISE)


def mean_of_batch(rows: np.ndarray, batch: list[TokenRow], _: int) -> np.ndarray:
    return rows + NOISE * np.mean([np.mean(row.ids) for row in batch])


def moved_by(largest: bool) -> Effect:
    """Whoever has not the batch's largest mean, or smallest, is moved; the other text is not."""

    def effect(rows: np.ndarray, batch: list[TokenRow], _: int) -> np.ndarray:
        own = np.array([np.mean(row.ids) for row in batch])
        return rows + np.outer(abs((own.max() if largest else own.min()) - own), NOISE)

    return effect


def company_spoils(rows: np.ndarray, batch: list[TokenRow], _: int) -> np.ndarray:
    return np.full_like(rows, np.nan) if len(batch) > 1 else rows


@pytest.mark.parametrize(
    ("effect", "precision", "batching"),
    [
        (nothing, "fp32", Batching.ANY),
        (rounding_of(1e-6), "fp32", Batching.ANY),
        (rounding_of(1e-3), "bf16", Batching.ANY),
        (rounding_of(1e-3), "fp32", Batching.EQUAL_LENGTH),
        (padding, "fp32", Batching.EQUAL_LENGTH),
        (padding, "bf16", Batching.EQUAL_LENGTH),
        (long_padding, "fp32", Batching.EQUAL_LENGTH),
        (mean_of_batch, "fp32", Batching.ALONE),
        (mean_of_batch, "bf16", Batching.ALONE),
        (moved_by(largest=True), "fp32", Batching.ALONE),
        (moved_by(largest=False), "fp32", Batching.ALONE),
        (company_spoils, "fp32", Batching.ALONE),
    ],
)
def test_what_moves_an_answer_is_left_out(effect: Effect, precision: str, batching: Batching) -> None:
    model = Model(effect)
    assert measure_batching(model, precision) is batching
    assert model.pads_alone is (batching is Batching.ANY)


@pytest.mark.parametrize("most_tokens", [1, 2, 3, 13])
def test_a_model_of_short_texts_is_measured_with_those(most_tokens: int) -> None:
    assert measure_batching(Model(nothing, most_tokens), "fp32") is Batching.ANY
    assert measure_batching(Model(company_spoils, most_tokens), "fp32") is Batching.ALONE


@pytest.mark.parametrize(("blend", "batching"), [("", "any"), ("padding", "equal_length"), ("batch", "alone")])
def test_answers_in_a_crowd_are_those_of_each_text_alone(
    start: Callable[..., tuple],
    vectors: Callable[[wire.WorkerFrame], np.ndarray],
    word_model: Path,
    tmp_path: Path,
    blend: str,
    batching: str,
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(word_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "blend": blend}))
    backend = "BlendingBackend" if blend else "EchoBackend"
    worker, ready = start(f"panope_backends.testing:{backend}", folder=str(folder))
    assert ready.ready.batching == batching

    texts = ["w1 w2 w3", "w4 w5 w6", "w7", "w8", "w9 w10 w11 w12 w13 w14 w15 w16 w17"]
    alone = []
    for text in texts:
        worker.embed(text)
        alone.append(vectors(worker.receive())[0])
    worker.embed(*texts)
    together = worker.receive()
    np.testing.assert_allclose(vectors(together), alone, atol=1e-6)
    if batching == "alone":
        assert together.timing.batch_size == 1
