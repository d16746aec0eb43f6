"""The conformance suite of `DiffusionModel`: what the contract says, as tests that backends of this kind pass."""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from panope_backends.api import DiffusionModel, DiffusionRequest, DiffusionRun, Drawn, LoadedModel
from panope_backends.errors import PanopeError
from panope_backends.testing.contracts.backend import BackendContract


class DiffusionModelContract(BackendContract):
    """Tests of one backend with one small model that draws from texts; `backend` and `model` must be given."""

    kind = DiffusionModel

    steps = 3
    """Of each test, at least 2."""

    def use(self, loaded: LoadedModel) -> None:
        """Draws in one step."""
        assert isinstance(loaded, DiffusionModel)
        self.drawn(loaded.begin(replace(self.request_for(loaded), steps=1)))

    def request_for(self, model: DiffusionModel) -> DiffusionRequest:
        """Something small that the model draws."""
        facts = model.facts
        return DiffusionRequest(
            prompt="a quiet river",
            width=min(facts.width, 4 * facts.multiple),
            height=min(facts.height, 2 * facts.multiple),
            steps=self.steps,
            seed=1,
            frames=1 + facts.frames_multiple if facts.makes_video else 1,
            frames_per_second=facts.frames_per_second,
        )

    def drawn(self, run: DiffusionRun) -> Drawn:
        """What a run draws, step by step."""
        while (found := run.step()) is None:
            assert 0 < run.done <= run.steps
        return found

    @pytest.fixture
    def drawer(self, loaded: LoadedModel) -> DiffusionModel:
        """The model."""
        assert isinstance(loaded, DiffusionModel)
        return loaded

    def test_facts_are_of_something_that_can_be_drawn(self, drawer: DiffusionModel) -> None:
        facts = drawer.facts
        assert facts.pipeline
        assert facts.inputs
        assert facts.inputs <= {"text", "image", "mask"}
        assert facts.honoured <= {"negative_prompt", "guidance_scale", "strength"}
        assert facts.width % facts.multiple == facts.height % facts.multiple == 0
        assert min(facts.width, facts.height, facts.steps, facts.multiple) >= 1
        assert (facts.frames - 1) % facts.frames_multiple == 0
        assert facts.makes_video == (facts.frames_per_second > 0)

    def test_each_step_is_told_and_then_the_frames_of_the_size_that_was_asked_for(self, drawer: DiffusionModel) -> None:
        request = self.request_for(drawer)
        run = drawer.begin(request)
        assert (run.done, run.steps) == (0, 0)
        done = []
        while (found := run.step()) is None:
            done.append(run.done)
        assert done == list(range(1, run.steps + 1))
        assert found.frames.dtype == np.uint8
        assert found.frames.shape == (request.frames, request.height, request.width, 3)

    def test_a_seed_draws_the_same_and_another_something_else(self, drawer: DiffusionModel) -> None:
        request = self.request_for(drawer)
        first, again, other = (
            self.drawn(drawer.begin(each)).frames for each in (request, request, replace(request, seed=2))
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_runs_that_take_turns_draw_what_they_draw_alone(self, drawer: DiffusionModel) -> None:
        requests = [replace(self.request_for(drawer), seed=seed, steps=self.steps + seed) for seed in range(2)]
        alone = [self.drawn(drawer.begin(request)).frames for request in requests]
        runs = dict(enumerate(drawer.begin(request) for request in requests))
        found: dict[int, Drawn] = {}
        while runs:
            for number, run in list(runs.items()):
                if (drawn := run.step()) is not None:
                    found[number] = drawn
                    del runs[number]
        for number, frames in enumerate(alone):
            assert np.array_equal(found[number].frames, frames)

    def test_a_run_that_is_closed_draws_nothing_more_and_keeps_nobody_waiting(self, drawer: DiffusionModel) -> None:
        run = drawer.begin(replace(self.request_for(drawer), steps=100))
        run.step()
        closing = threading.Thread(target=run.close)
        closing.start()
        closing.join(10)
        assert not closing.is_alive()
        run.close()
        with pytest.raises(PanopeError):
            run.step()
        self.use(drawer)

    def test_a_run_that_never_began_can_be_closed(self, drawer: DiffusionModel) -> None:
        run = drawer.begin(self.request_for(drawer))
        run.close()
        with pytest.raises(PanopeError):
            run.step()
