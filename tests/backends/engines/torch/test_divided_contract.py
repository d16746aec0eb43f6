"""A decoder that is divided passes the suite of step models, as a whole one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from panope.worker.v1 import tensor_parallel_pb2 as wire
from panope_backends.api import Backend, Device, LoadedModel, LoadOptions, ModelFacts, StepModel
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel
from panope_backends.engines.torch.tensor_parallel.model import DividedStepModel
from panope_backends.testing import StepModelContract
from panope_backends.testing.decoders import reference_logits, tiny_decoder

#: Experts beside attention that is divided; some with one that all tokens share, beside attention that is not.
EXPERTS = ("mixtral", "deepseek-v3")


class NoPeers:
    """Of a model that is in one part, which all the same goes the way of several."""

    def tell(self, command: wire.PeerCommand) -> None:
        assert wire.PeerCommand.FromString(command.SerializeToString()) == command

    def wait(self) -> Sequence[wire.PeerAnswer]:
        return []

    def close(self) -> None:
        pass


class OnePart(CpuBackend):
    """Loads a model as the only part of a divided one."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        own = super().load(model, folder, device, options)
        assert isinstance(own, TorchStepModel)
        return DividedStepModel(own, NoPeers(), [], 1, is_host=False)  # type: ignore[arg-type]  # a stand-in


class TwoParts(CpuBackend):
    """Divides every model over two processes."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        return super().load(model, folder, device, replace(options, peer_devices=(device,)))


class DividedContract(StepModelContract):
    """The suite, most of it on one model that is loaded once; a process is in one group of parts at a time."""

    divides: ClassVar[type[CpuBackend]]
    _kept: ClassVar[LoadedModel | None] = None

    @pytest.fixture
    def backend(self) -> Backend:
        return self.divides()

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        cls._folder = tmp_path_factory.mktemp("divided")
        cls._facts = tiny_decoder(cls._folder)
        yield cls._folder
        cls.end()

    @pytest.fixture
    def model(self, folder: Path) -> ModelFacts:
        return self._facts

    @pytest.fixture
    def loaded(self, backend: Backend, model: ModelFacts, folder: Path, device: Device) -> LoadedModel:
        if self._kept is None:
            type(self)._kept = backend.load(model, folder, device.name, LoadOptions())
        assert isinstance(self._kept, DividedStepModel)
        return self._kept

    @classmethod
    def end(cls) -> None:
        if cls._kept is not None:
            cls._kept.close()
            cls._kept = None

    @pytest.fixture(autouse=True)
    def alone(self, request: pytest.FixtureRequest) -> None:
        """Tests that load models of their own find no other, and those of a model without a cache no other's."""
        if "decoder" not in request.fixturenames:
            self.end()

    def reference(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_logits(self._folder, tokens)


class TestOnePart(DividedContract):
    """What a divided model checks and tells, without another process."""

    divides = OnePart


@pytest.mark.slow  # two processes import PyTorch
@pytest.mark.timeout(600)
class TestTwoParts(DividedContract):
    divides = TwoParts

    def test_the_memory_of_the_other_process_is_told(self, decoder: StepModel) -> None:
        assert isinstance(decoder, DividedStepModel)
        (peer,) = decoder.peer_memory()
        assert peer.resident_bytes > 50 << 20, "PyTorch alone takes more"

    @pytest.mark.parametrize("family", EXPERTS)
    def test_models_of_experts_are_divided_too(self, backend: Backend, tmp_path: Path, family: str) -> None:
        decoder = backend.load(tiny_decoder(tmp_path, family), tmp_path, "CPU", LoadOptions())
        assert isinstance(decoder, DividedStepModel)
        try:
            self.make_ready(decoder, self.blocks)
            tokens = self.text(decoder)
            self.assert_same(self.whole(decoder, tokens, range(self.blocks)), reference_logits(tmp_path, tokens))
        finally:
            decoder.close()
