"""A function on a thread of its own runs from pause to pause, and ends where it stands."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import pytest

from panope_backends.engines.torch.diffusion.stepwise import Stepwise, StoppedError


def test_a_step_runs_up_to_the_next_pause_and_the_last_gives_the_result() -> None:
    seen = []

    def work(pause: Callable[[], None]) -> str:
        for number in range(2):
            seen.append(number)
            pause()
        return "done"

    stepwise = Stepwise(work, "test")
    assert [stepwise.step(), list(seen)] == [None, [0]]
    assert [stepwise.step(), list(seen)] == [None, [0, 1]]
    assert stepwise.step() == "done"


def test_an_error_of_the_function_is_raised_by_the_step_that_met_it() -> None:
    def work(pause: Callable[[], None]) -> str:
        pause()
        raise ValueError("broken")

    stepwise = Stepwise(work, "test")
    assert stepwise.step() is None
    with pytest.raises(ValueError, match="broken"):
        stepwise.step()


def test_a_function_that_is_ended_where_it_stands_runs_no_further_and_cleans_up() -> None:
    cleaned = threading.Event()

    def work(pause: Callable[[], None]) -> str:
        try:
            pause()
        except Exception:  # which is what libraries catch
            raise AssertionError("it was taken for an error") from None
        finally:
            cleaned.set()
        raise AssertionError("it ran on")

    stepwise = Stepwise(work, "test")
    stepwise.step()
    stepwise.close()
    assert cleaned.wait(10)
    with pytest.raises(StoppedError):
        stepwise.step()


def test_a_function_that_is_ended_while_it_runs_ends_at_its_next_pause() -> None:
    runs, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work(pause: Callable[[], None]) -> str:
        runs.set()
        may_end.wait(10)
        try:
            pause()
        finally:
            ended.set()
        raise AssertionError("it ran on")

    stepwise = Stepwise(work, "test")

    def wait() -> None:
        with contextlib.suppress(StoppedError):
            stepwise.step()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    assert runs.wait(10)
    stepwise.close()
    stepwise.close()
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(10)
    waiting.join(10)


def test_a_function_that_never_began_is_never_run() -> None:
    stepwise = Stepwise(lambda pause: pytest.fail("it ran"), "test")
    stepwise.close()
    with pytest.raises(StoppedError):
        stepwise.step()
