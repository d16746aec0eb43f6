"""The conformance suite of `TensorModel`: what the contract says, as tests that every backend of this kind passes.

Subclass it in a test file and give it a backend and a model:

    class TestMine(TensorModelContract):
        @pytest.fixture
        def backend(self):
            return MyBackend()

        @pytest.fixture
        def model(self, tmp_path):
            return write_a_small_model(tmp_path)  # -> ModelFacts

The model's files lie in `tmp_path` unless the fixture `folder` is overridden too. Where random integers of 0 and 1 and
floats around 0 are no sensible inputs, override `arrays`.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Backend, Device, LoadedModel, LoadOptions, ModelFacts, TensorModel, TensorSpec
from panope_backends.testing.contracts.backend import BackendContract

Array = np.ndarray[Any, Any]

#: Batch and length; each dimension of any length takes one of them.
SHAPES = ((1, 1), (1, 9), (5, 9), (3, 17), (1, 1))


class TensorModelContract(BackendContract):
    """Tests of one backend with one small model; the fixtures `backend` and `model` must be given."""

    kind = TensorModel

    def use(self, loaded: LoadedModel) -> None:
        """Runs once."""
        assert isinstance(loaded, TensorModel)
        loaded.run(self.arrays(list(loaded.inputs), 1, 3))

    def arrays(self, specs: list[TensorSpec], batch: int, length: int, seed: int = 0) -> dict[str, Array]:
        """An array for each input; free dimensions are `batch` for the first and `length` for the others."""
        random = np.random.default_rng(seed)
        made: dict[str, Array] = {}
        for spec in specs:
            shape = [n if n >= 0 else (length if axis else batch) for axis, n in enumerate(spec.shape)]
            kind = np.dtype(spec.dtype)
            values = random.standard_normal(shape) if kind.kind == "f" else random.integers(0, 2, shape)
            made[spec.name] = np.ascontiguousarray(values.astype(kind))
        return made

    def test_specs_are_complete(self, loaded: TensorModel) -> None:
        assert loaded.inputs
        assert loaded.outputs
        assert loaded.precision
        for spec in [*loaded.inputs, *loaded.outputs]:
            assert spec.name
            assert np.dtype(spec.dtype).name == spec.dtype, "dtypes have NumPy's names"
            assert all(length >= -1 for length in spec.shape)
        assert len({spec.name for spec in loaded.inputs}) == len(loaded.inputs)
        assert len({spec.name for spec in loaded.outputs}) == len(loaded.outputs)

    def test_outputs_are_what_the_specs_say_at_every_shape(self, loaded: TensorModel) -> None:
        for batch, length in SHAPES:
            found = loaded.run(self.arrays(list(loaded.inputs), batch, length))
            assert set(found) == {spec.name for spec in loaded.outputs}
            for spec in loaded.outputs:
                array = found[spec.name]
                assert array.dtype.name == spec.dtype
                assert array.ndim == len(spec.shape)
                assert all(said in (-1, real) for said, real in zip(spec.shape, array.shape, strict=True))

    def test_only_the_outputs_asked_for_come_back(self, loaded: TensorModel) -> None:
        arrays = self.arrays(list(loaded.inputs), 2, 5)
        everything = loaded.run(arrays)
        for spec in loaded.outputs:
            alone = loaded.run(arrays, [spec.name])
            assert list(alone) == [spec.name]
            np.testing.assert_array_equal(alone[spec.name], everything[spec.name])

    def test_the_same_inputs_give_the_same_outputs(self, loaded: TensorModel) -> None:
        arrays = self.arrays(list(loaded.inputs), 3, 7)
        first = loaded.run(arrays)
        loaded.run(self.arrays(list(loaded.inputs), 4, 11, seed=1))
        for name, array in loaded.run(arrays).items():
            np.testing.assert_array_equal(array, first[name])

    def test_a_later_run_leaves_earlier_results_alone(self, loaded: TensorModel) -> None:
        first = loaded.run(self.arrays(list(loaded.inputs), 3, 7))
        kept = {name: array.copy() for name, array in first.items()}
        # The same shape, so that an engine that reuses its buffers writes over them.
        loaded.run(self.arrays(list(loaded.inputs), 3, 7, seed=1))
        for name, array in first.items():
            np.testing.assert_array_equal(array, kept[name])

    def test_a_run_that_fails_leaves_the_model_as_it_was(self, loaded: TensorModel) -> None:
        arrays = self.arrays(list(loaded.inputs), 2, 5)
        expected = loaded.run(arrays)
        longer = self.arrays(list(loaded.inputs), 2, 7)
        for spec in loaded.inputs:
            # One input's free axes are longer than the others'; an engine may take that, or raise what it likes.
            with contextlib.suppress(Exception):
                loaded.run(arrays | {spec.name: longer[spec.name]})
            for name, array in loaded.run(arrays).items():
                np.testing.assert_array_equal(array, expected[name])

    def test_results_do_not_follow_inputs_changed_afterwards(self, loaded: TensorModel) -> None:
        arrays = self.arrays(list(loaded.inputs), 3, 7)
        found = loaded.run(arrays)
        kept = {name: array.copy() for name, array in found.items()}
        for array in arrays.values():
            array[...] = 1 - array
        for name, array in found.items():
            np.testing.assert_array_equal(array, kept[name])

    def test_inputs_are_only_read(self, loaded: TensorModel) -> None:
        arrays = self.arrays(list(loaded.inputs), 2, 5)
        kept = {name: array.copy() for name, array in arrays.items()}
        expected = loaded.run(arrays)
        for array in arrays.values():
            array.flags.writeable = False
        for name, array in loaded.run(arrays).items():
            np.testing.assert_array_equal(array, expected[name])
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, kept[name])

    def test_a_model_can_be_loaded_again_after_close(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device
    ) -> None:
        first = backend.load(model, folder, device.name, LoadOptions())
        assert isinstance(first, TensorModel)
        arrays = self.arrays(list(first.inputs), 2, 5)
        found = first.run(arrays)
        kept = {name: array.copy() for name, array in found.items()}
        first.close()
        for name, array in found.items():
            np.testing.assert_array_equal(array, kept[name])  # results outlive the model
        second = backend.load(model, folder, device.name, LoadOptions())
        assert isinstance(second, TensorModel)
        for name, array in second.run(arrays).items():
            np.testing.assert_array_equal(array, found[name])
        second.close()
