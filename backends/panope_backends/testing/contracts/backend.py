"""The part of the conformance suites that holds for every backend, whatever kind of model it loads.

The suite of each kind, such as `TensorModelContract`, extends it; a test file subclasses that one.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from panope_backends.api import (
    API_VERSION,
    OLDEST_API_VERSION,
    Backend,
    Device,
    Level,
    LoadedModel,
    LoadOptions,
    ModelFacts,
)
from panope_backends.errors import PreconditionError


class BackendContract:
    """Tests of one backend with one small model; the fixtures `backend` and `model` must be given."""

    kind: ClassVar[type[LoadedModel]]
    """What `load` gives."""

    def use(self, loaded: LoadedModel) -> None:
        """Lets the model compute something."""
        raise NotImplementedError("a kind of model overrides `use`")

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test."""
        raise NotImplementedError("override the fixture `backend`")

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        """Facts of a small model that the backend runs; its files are written into `tmp_path`."""
        raise NotImplementedError("override the fixture `model`")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The model's files."""
        return tmp_path

    @pytest.fixture
    def device(self, backend: Backend, model: ModelFacts) -> Device:
        """The first device that can run the model."""
        able = [d for d in backend.devices() if d.available and backend.supports(model, d).level is not Level.NONE]
        assert able, "no device of this machine runs the model"
        return able[0]

    @pytest.fixture
    def loaded(self, backend: Backend, model: ModelFacts, folder: Path, device: Device) -> Iterator[LoadedModel]:
        """The model, loaded with default options."""
        loaded = backend.load(model, folder, device.name, LoadOptions())
        assert isinstance(loaded, self.kind), f"`load` gives a {self.kind.__name__}"
        yield loaded
        loaded.close()

    def test_it_was_written_for_a_version_of_the_contract_that_panope_runs(self, backend: Backend) -> None:
        assert OLDEST_API_VERSION <= backend.api_version <= API_VERSION

    def test_devices_carry_the_backends_name_and_its_precisions(self, backend: Backend) -> None:
        devices = backend.devices()
        assert devices, "a backend lists a device, available or not"
        assert len({device.name for device in devices}) == len(devices)
        for device in devices:
            assert device.backend == backend.name
            assert device.name
            assert device.precisions
            assert device.available or device.reason

    def test_support_has_a_reason(self, backend: Backend, model: ModelFacts, device: Device) -> None:
        assert backend.supports(model, device).reason
        unknown = ModelFacts("nobody/nothing", "no-such-format")
        support = backend.supports(unknown, device)
        assert support.reason
        assert isinstance(support.level, Level)

    def test_a_precision_that_the_device_lacks_is_refused_by_name(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device
    ) -> None:
        with pytest.raises(PreconditionError) as refusal:
            backend.load(model, folder, device.name, LoadOptions(precision="fp7"))
        assert "fp7" in refusal.value.message

    def test_the_loaded_precision_is_one_of_the_devices(self, loaded: LoadedModel, device: Device) -> None:
        assert loaded.precision in device.precisions

    def test_the_folder_is_left_as_it_was(
        self,
        backend: Backend,
        model: ModelFacts,
        folder: Path,
        device: Device,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        before = listing(folder)
        loaded = backend.load(
            model, folder, device.name, LoadOptions(cache_folder=tmp_path_factory.mktemp("cache"), threads=1)
        )
        self.use(loaded)
        loaded.close()
        assert listing(folder) == before


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
