"""Models that blend frames, and what the writer of a file is given."""

from __future__ import annotations

import pytest
from tests.backends.tasks.frame_interpolation.interpolating import requests_of
from tests.backends.tasks.frame_interpolation.videos import Pixels
from tests.frame_graphs import write_blend

from panope_backends.tasks.frame_interpolation import job as job_module
from panope_backends.tasks.frame_interpolation import module


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Pixels]]:
    """What the job gives the writer of the file: the codec changes colours a little."""
    found: list[tuple[int, Pixels]] = []

    class Recorder(job_module.VideoWriter):
        def add(self, pixels: Pixels, ticks: int | None = None) -> None:
            assert ticks is not None
            found.append((ticks, pixels.copy()))
            super().add(pixels, ticks)

    monkeypatch.setattr(job_module, "VideoWriter", Recorder)
    return found


@pytest.fixture(scope="module")
def blend(tmp_path_factory: pytest.TempPathFactory) -> module.VideoRequests:
    return requests_of(write_blend(tmp_path_factory.mktemp("blend") / "model"))


@pytest.fixture(scope="module")
def halving(tmp_path_factory: pytest.TempPathFactory) -> module.VideoRequests:
    """One that makes the frame in the middle alone."""
    return requests_of(write_blend(tmp_path_factory.mktemp("halving") / "model", timestep=False))
