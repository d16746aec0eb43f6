"""A GPU's memory is out: batches and steps run in halves, then are refused, and the model goes on. On `fake_gpu`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import MEMORY, Constructors, FakeCudaBackend, FakeMpsBackend, limited

from panope_backends.api import LoadOptions, StepBatch, StepModel, StepSequence, TensorModel
from panope_backends.engines.torch.backend import CpuBackend
from panope_backends.engines.torch.out_of_memory import DeviceLostError, halves
from panope_backends.errors import OUT_OF_DEVICE_MEMORY, InvalidInputError, OverloadedError, PreconditionError
from panope_backends.testing.decoders import tiny_decoder
from panope_backends.testing.models import tiny_transformer

EXACT = LoadOptions(precision="fp32", threads=1)
Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def constructors() -> Iterator[None]:
    with Constructors():
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TensorModel:
    folder = tmp_path_factory.mktemp("encoder")
    with Constructors():
        model = FakeCudaBackend().load(tiny_transformer(folder), folder, "cuda:0", EXACT)
    assert isinstance(model, TensorModel)
    return model


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> StepModel:
    folder = tmp_path_factory.mktemp("decoder")
    with Constructors():
        model = FakeCudaBackend().load(tiny_decoder(folder, "llama"), folder, "cuda:0", EXACT)
    assert isinstance(model, StepModel)
    model.allocate(16)
    return model


def texts(count: int) -> dict[str, Array]:
    ids = np.random.default_rng(0).integers(3, 90, (count, 40))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def prompt(row: int, length: int, sampled: tuple[int, ...] = (-1,)) -> StepSequence:
    tokens = np.random.default_rng(row).integers(1, 60, length).tolist()
    return StepSequence(tokens, 0, range(4 * row, 4 * row + -(-length // 32)), sampled)


STEPS = {
    "several sequences": [prompt(0, 120), prompt(1, 3, (0, 2)), prompt(2, 110, ()), prompt(3, 90)],
    "one sequence": [prompt(0, 120, (119, 0, 59, 60))],
}


def taken(run: Callable[[], Any]) -> int:
    """What a call takes at a time beside what is there."""
    before = MEMORY.peak_bytes = MEMORY.used_bytes
    run()
    return MEMORY.peak_bytes - before


def test_a_batch_that_does_not_fit_runs_in_halves(encoder: TensorModel) -> None:
    expected = encoder.run(texts(8))["last_hidden_state"]
    whole, half = (taken(lambda count=count: encoder.run(texts(count))) for count in (8, 4))
    with limited((whole + half) // 2) as memory:
        found = encoder.run(texts(8))["last_hidden_state"]
        assert memory.refused == 1
        assert memory.emptied == 1
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_batch_whose_halves_do_not_fit_is_refused_and_the_model_goes_on(encoder: TensorModel) -> None:
    expected = encoder.run(texts(8))["last_hidden_state"]
    used = MEMORY.used_bytes
    with limited(taken(lambda: encoder.run(texts(1)))) as memory:
        with pytest.raises(OverloadedError, match=r"memory of the device `cuda:0` .* send less at once") as refusal:
            encoder.run(texts(8))
        assert refusal.value.reason == OUT_OF_DEVICE_MEMORY
        assert memory.refused == 2, "it is split once"
        del refusal
        assert MEMORY.used_bytes == used, "what has failed holds nothing"
        assert encoder.run(texts(1))
    np.testing.assert_array_equal(encoder.run(texts(8))["last_hidden_state"], expected)


@pytest.mark.parametrize("parts", STEPS.values(), ids=STEPS.keys())
def test_a_step_that_does_not_fit_runs_as_two(decoder: StepModel, parts: list[StepSequence]) -> None:
    batch = StepBatch.of(parts)
    expected = decoder.forward(batch).copy()
    first, second = halves(batch, decoder.cache.block_size)
    decoder.check(first)
    decoder.check(second)
    of_halves = max(taken(lambda each=each: decoder.forward(each)) for each in (first, second))
    whole = taken(lambda: decoder.forward(batch))
    assert of_halves < whole
    with limited((of_halves + whole) // 2) as memory:
        found = decoder.forward(batch)
        assert memory.refused == 1
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_step_that_cannot_be_parted_is_refused(decoder: StepModel) -> None:
    batch = StepBatch.of([prompt(0, 1)])
    expected = decoder.forward(batch).copy()
    with limited(0), pytest.raises(OverloadedError) as refusal:
        decoder.forward(batch)
    assert refusal.value.reason == OUT_OF_DEVICE_MEMORY
    np.testing.assert_array_equal(decoder.forward(batch), expected)


@pytest.mark.slow
def test_a_decoder_with_a_state_is_refused_and_begins_again(tmp_path: Path) -> None:
    model = FakeCudaBackend().load(tiny_decoder(tmp_path, "mamba"), tmp_path, "cuda:0", EXACT)
    assert isinstance(model, StepModel)
    model.allocate(2)
    batch = StepBatch.of([StepSequence([5, 6, 7], 0, [0])])
    expected = model.forward(batch).copy()
    with limited(0), pytest.raises(OverloadedError):
        model.forward(batch)
    np.testing.assert_array_equal(model.forward(batch), expected)


def test_weights_that_do_not_fit_are_a_refusal_of_the_load(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    with limited(1000) as memory, pytest.raises(PreconditionError, match="more memory than is free on `cuda:0`") as no:
        FakeCudaBackend().load(facts, tmp_path, "cuda:0", EXACT)
    assert no.value.reason == "insufficient_memory"
    assert memory.emptied


def test_a_cache_that_does_not_fit_is_refused_and_a_smaller_one_is_taken(decoder: StepModel) -> None:
    free = 20 * decoder.cache.block_bytes
    decoder.allocate(1)
    with limited(free):
        # What the server counts with is what the device has left.
        assert decoder.free_memory_bytes() == free
        with pytest.raises(PreconditionError, match="the cache needs more memory"):
            decoder.allocate(40)
        assert decoder.blocks == 0
        decoder.allocate(20)
    decoder.allocate(16)


def test_the_processor_has_no_memory_of_its_own(tmp_path: Path) -> None:
    from panope_backends.engines.torch import CpuBackend

    model = CpuBackend().load(tiny_decoder(tmp_path, "llama"), tmp_path, "CPU", EXACT)
    assert model.free_memory_bytes() is None


@pytest.mark.parametrize(
    "changes",
    [
        {"input_ids": np.full((2, 40), 97)},
        {"input_ids": np.full((2, 40), -1)},
        {"token_type_ids": np.full((2, 40), 2)},
        {name: np.ones((2, 600), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")},
    ],
    ids=["past the vocabulary", "negative", "kind", "length"],
)
def test_what_a_gpu_would_look_up_in_vain_never_reaches_it(
    encoder: TensorModel, changes: dict[str, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "_run", lambda _: pytest.fail("it ran"))
    with pytest.raises(InvalidInputError, match="out of range"):
        encoder.run(texts(2) | changes)


def test_an_error_that_a_gpu_does_not_recover_from_ends_the_process(
    encoder: TensorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(encoder, "_run", fails)
    with pytest.raises(DeviceLostError, match="the device cuda:0 has failed"):
        encoder.run(texts(2))
    assert issubclass(DeviceLostError, SystemExit)


def test_it_is_told_what_a_process_holds_of_a_gpu(encoder: TensorModel) -> None:
    held = FakeCudaBackend().device_memory_bytes("cuda:0")
    assert held == MEMORY.used_bytes
    assert held > 0, encoder.precision


def test_of_memory_that_is_the_machines_nothing_is_told() -> None:
    assert FakeMpsBackend().device_memory_bytes("mps") is None
    assert CpuBackend().device_memory_bytes("CPU") is None
