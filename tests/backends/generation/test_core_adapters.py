"""Sequences of several adapters in one core: each has its own, and shares blocks with its likes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain

from panope_backends.api import AdaptableStepModel, FinishReason, GenerationRequest, StepBatch
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumStepModel

PROMPT = tuple(range(30))
NAMES = ("", "sql", "french")


class AdaptableChecksums(ChecksumStepModel, AdaptableStepModel):
    """An adapter is a number in a file, which every token counts for so much more in the cache."""

    max_adapters = 2

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.added: dict[int, int] = {}

    @property
    def adapters(self) -> frozenset[int]:
        return frozenset(self.added)

    def add_adapter(self, number: int, folder: Path) -> None:
        if not folder.exists():
            raise PreconditionError("there is no adapter", reason="adapter_mismatch")
        assert number not in self.added
        self.added[number] = int((folder / "number").read_text())

    def remove_adapter(self, number: int) -> None:
        self.added.pop(number, None)

    def _write(self, batch: StepBatch) -> None:
        super()._write(batch)
        for index, adapter in enumerate([] if batch.adapters is None else batch.adapters.tolist()):
            positions = np.arange(batch.past_lengths[index], batch.total_lengths[index])
            blocks = self._table(batch, index)[positions // self.cache.block_size]
            self._cells[blocks, positions % self.cache.block_size] += self.added.get(adapter, 0)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("sql", "french", "third")}
    for number, folder in enumerate(made.values(), 5):
        folder.mkdir()
        (folder / "number").write_text(str(number))
    return made


@pytest.fixture
def engine(folders: dict[str, Path]) -> GenerationEngine:
    """With two adapters."""
    engine = core(AdaptableChecksums({"vocab_size": VOCAB, "block_size": 4, "max_positions": 200}), 100)
    for name in NAMES[1:]:
        engine.add_adapter(name, folders[name])
    return engine


def request(number: int, adapter: str, **more: Any) -> GenerationRequest:
    return GenerationRequest(number, PROMPT, sampling=GREEDY, max_tokens=9, adapter=adapter, **more)


def test_each_request_has_the_answer_of_its_adapter_alone_or_in_company(engine: GenerationEngine) -> None:
    alone = {}
    for number, name in enumerate(NAMES):
        engine.submit(request(number, name))
        alone[name] = answer(drain(engine), number)
    assert len({tuple(each) for each in alone.values()}) == 3
    order = NAMES * 4
    for number, name in enumerate(order):
        engine.submit(request(number, name))
    deltas = drain(engine)
    assert [answer(deltas, number) for number in range(len(order))] == [alone[name] for name in order]


def test_a_prefix_is_found_by_requests_of_the_same_adapter_alone(engine: GenerationEngine) -> None:
    def cached(number: int, adapter: str, salt: str = "") -> int:
        engine.submit(request(number, adapter, cache_salt=salt))
        usage = drain(engine)[-1].usage
        assert usage is not None
        return usage.cached_tokens

    assert [cached(1, name) for name in NAMES] == [0, 0, 0]
    assert [cached(2, name) for name in NAMES] == [28, 28, 28]
    assert cached(3, "", "sql") == cached(4, "", "sql\0") == 0, "no salt passes for an adapter"
    assert cached(5, "sql", "sql") == 0


def test_an_adapter_that_goes_takes_its_requests_along_and_no_others(
    engine: GenerationEngine, folders: dict[str, Path]
) -> None:
    for number, name in enumerate(NAMES):
        engine.submit(request(number, name))
    first = list(engine.deltas(1))
    engine.remove_adapter("sql")
    deltas = [*first, *drain(engine)]
    ends = {delta.request_id: delta.finish_reason for delta in deltas if delta.finish_reason is not None}
    assert ends == {0: FinishReason.LENGTH, 1: FinishReason.CANCELLED, 2: FinishReason.LENGTH}
    with pytest.raises(PreconditionError, match="not loaded"):
        engine.submit(request(9, "sql"))
    engine.add_adapter("third", folders["third"])  # its number is free again
    engine.submit(request(9, "third"))
    assert drain(engine)[-1].finish_reason is FinishReason.LENGTH


def test_more_adapters_than_there_may_be_are_refused(engine: GenerationEngine, folders: dict[str, Path]) -> None:
    with pytest.raises(PreconditionError, match=r"`generation\.max_adapters` allows no more") as caught:
        engine.add_adapter("third", folders["third"])
    assert caught.value.reason == "needs_own_instance"


def test_an_adapter_that_cannot_be_read_leaves_its_number_free(
    engine: GenerationEngine, folders: dict[str, Path]
) -> None:
    engine.remove_adapter("sql")
    for _ in range(3):
        with pytest.raises(PreconditionError):
            engine.add_adapter("third", folders["third"] / "none")
    engine.add_adapter("third", folders["third"])


def test_a_model_without_adapters_refuses_a_request_for_one() -> None:
    plain = core(ChecksumStepModel({"vocab_size": VOCAB}), 10)
    with pytest.raises(InvalidInputError) as caught:
        plain.submit(request(1, "sql"))
    assert caught.value.field == "adapter"


def test_an_adapter_that_two_have_stays_until_both_have_let_it_go(
    engine: GenerationEngine, folders: dict[str, Path]
) -> None:
    engine.add_adapter("sql", folders["sql"])  # takes no number: both are taken
    engine.submit(request(1, "sql"))
    engine.remove_adapter("sql")
    assert drain(engine)[-1].finish_reason is FinishReason.LENGTH
    engine.submit(request(2, "sql"))
    assert drain(engine)[-1].finish_reason is FinishReason.LENGTH
    engine.remove_adapter("sql")
    with pytest.raises(PreconditionError, match="not loaded"):
        engine.submit(request(3, "sql"))
    engine.remove_adapter("sql")
    engine.add_adapter("third", folders["third"])
