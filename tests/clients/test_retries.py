"""Calls are repeated when, and only when, the server says that time helps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends import errors as tree
from panope_client import OverloadedError, PanopeClientError, RetryPolicy, UnavailableError
from panope_client.retry import Retries

MODEL = "vendor/fake"
Connect = Callable[..., Any]


def full(seconds: float | None = 0.7) -> tree.OverloadedError:
    return tree.OverloadedError("the queue is full", retry_after_seconds=seconds)


async def test_a_refused_call_waits_as_long_as_the_server_says_and_succeeds(
    connect: Connect, server: Any, fake: Any, clock: Any
) -> None:
    fake.failures += [full(0.7), tree.LoadingError("loading", retry_after_seconds=2)]

    answer = await connect(clock=clock, uniform=0).embed(["a"], MODEL)

    assert len(answer) == 1
    assert clock.slept == [0.7, 2.0]


async def test_jitter_only_lengthens_a_wait(connect: Connect, server: Any, fake: Any, clock: Any) -> None:
    fake.failures.append(full(1.0))

    await connect(clock=clock, uniform=1.0).embed(["a"], MODEL)

    assert clock.slept == [1.2]


@pytest.mark.parametrize("key", ["retry-after-ms", "grpc-retry-pushback-ms"])
async def test_a_hint_in_the_metadata_alone_is_a_hint(
    connect: Connect, server: Any, fake: Any, clock: Any, key: str
) -> None:
    fake.failures.append((grpc.StatusCode.UNAVAILABLE, "later", ((key, "250"),)))

    await connect(clock=clock, uniform=0).embed(["a"], MODEL)

    assert clock.slept == [0.25]


@pytest.mark.parametrize(
    "failure",
    [
        full(None),
        tree.InstanceLostError("the worker died"),
        tree.InternalError("a defect", retry_after_seconds=1),
        tree.DeadlineError("too late", retry_after_seconds=1),
        (grpc.StatusCode.UNAVAILABLE, "never", (("grpc-retry-pushback-ms", "-1"),)),
        (grpc.StatusCode.UNAVAILABLE, "never", (("retry-after-ms", "5"), ("x-should-retry", "false"))),
        (grpc.StatusCode.UNAVAILABLE, "nonsense", (("retry-after-ms", "soon"),)),
    ],
    ids=lambda failure: failure.message if isinstance(failure, tree.PanopeError) else failure[1],
)
async def test_without_a_hint_or_with_another_code_a_call_is_never_repeated(
    connect: Connect, server: Any, fake: Any, clock: Any, failure: Any
) -> None:
    fake.failures.append(failure)

    with pytest.raises(PanopeClientError):
        await connect(clock=clock).embed(["a"], MODEL)

    assert clock.slept == []
    assert len(fake.requests) == 1


async def test_a_call_gives_up_after_its_attempts(connect: Connect, server: Any, fake: Any, clock: Any) -> None:
    fake.failures += [full(1.0)] * 9

    with pytest.raises(OverloadedError):
        await connect(clock=clock, uniform=0, retries=RetryPolicy(max_attempts=3)).embed(["a"], MODEL)

    assert clock.slept == [1.0, 1.0]
    assert len(fake.requests) == 3


async def test_a_wait_past_the_deadline_is_not_begun(connect: Connect, server: Any, fake: Any, clock: Any) -> None:
    fake.failures += [full(4.0)] * 3

    with pytest.raises(OverloadedError) as caught:
        await connect(clock=clock, uniform=0).embed(["a"], MODEL, timeout=10)

    assert clock.slept == [4.0, 4.0]
    assert caught.value.retry_after_seconds == 4.0


async def test_a_hint_longer_than_the_policy_allows_fails_at_once(
    connect: Connect, server: Any, fake: Any, clock: Any
) -> None:
    fake.failures.append(full(31.0))

    with pytest.raises(OverloadedError):
        await connect(clock=clock).embed(["a"], MODEL, timeout=math.inf)

    assert clock.slept == []


async def test_when_most_calls_fail_most_retries_stop(connect: Connect, server: Any, fake: Any, clock: Any) -> None:
    fake.failures += [full(0.1)] * 1000
    client = connect(clock=clock, retries=RetryPolicy(max_attempts=2, budget=5, refill=0.1))

    for _ in range(50):
        with pytest.raises(OverloadedError):
            await client.embed(["a"], MODEL)

    assert len(clock.slept) == 9  # the budget of 5, and one for every ten calls once some of it was spent


@given(
    calls=st.integers(1, 200),
    budget=st.floats(0, 20),
    refill=st.floats(0, 1),
    attempts=st.integers(1, 6),
)
def test_retries_never_pass_the_budget(calls: int, budget: float, refill: float, attempts: int) -> None:
    retries = Retries(RetryPolicy(max_attempts=attempts, budget=budget, refill=refill), clock=lambda: 0.0)
    error = UnavailableError("", code=grpc.StatusCode.UNAVAILABLE, retry_after_seconds=0.01)

    made = 0
    for _ in range(calls):
        attempt = retries.start(math.inf)
        while attempt.wait_after(error) is not None:
            made += 1

    assert made <= min(budget + calls * refill, calls * (attempts - 1)) + 1e-6


@given(
    hint=st.floats(0, 40),
    uniform=st.floats(0, 1),
    timeout=st.floats(0, 50),
    jitter=st.floats(0, 1),
)
def test_a_wait_is_never_shorter_than_the_hint_nor_past_the_deadline(
    hint: float, uniform: float, timeout: float, jitter: float
) -> None:
    retries = Retries(RetryPolicy(jitter=jitter), clock=lambda: 5.0, uniform=lambda: uniform)
    error = UnavailableError("", code=grpc.StatusCode.UNAVAILABLE, retry_after_seconds=hint)

    wait = retries.start(timeout).wait_after(error)

    assert wait is None or (hint <= wait <= hint * (1 + jitter) and wait < timeout and hint <= 30)
    if hint * (1 + jitter) < min(timeout, 30) - 1e-9:
        assert wait is not None
