from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import (
    InvalidInputError,
    LoadingError,
    NotFoundError,
    OverloadedError,
    PanopeError,
    PreconditionError,
)
from panope_registry.serving_records.inference_log import LoggedCall
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.call import Call
from panope_server.pipeline.deadline.step import Deadline
from panope_server.pipeline.download import Download
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Next, Pipeline
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.task import Output
from panope_server.transport.errors import code_name

Resolved = Callable[..., ResolvedModel]


class Recorder:
    """A step that writes down when it was entered and left."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name, self.events = name, events

    async def __call__(self, call: Call, forward: Next) -> None:
        self.events.append(f"{self.name} in")
        await forward(call)
        self.events.append(f"{self.name} out")


class Models:
    """A directory of a few models."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved

    async def resolve(self, name: str) -> ResolvedModel:
        model = {"prod": "acme/tiny"}.get(name, name)
        tasks = {"acme/tiny": "embed", "acme/judge": "classify", "acme/open": "", "acme/graph": ""}
        if model not in tasks:
            raise NotFoundError(f"model `{model}` does not exist", reason="model_not_found")
        return self._resolved(model, tasks[model], candidates=("embed", "rerank") if model == "acme/open" else ())

    async def default_for(self, task: str) -> str | None:
        return {"embed": "acme/tiny"}.get(task)


class Shelf:
    """Brings models here, or tells that they are on their way."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    async def fetch(self, model: ResolvedModel, *, wait: bool) -> None:
        self.asked.append((model.key, wait))
        if not wait:
            raise LoadingError(f"model `{model.key}` is being downloaded", retry_after_seconds=5.0)


async def test_an_alias_in_a_call_means_its_model(call, resolved: Resolved, answer: Output) -> None:
    async def last(call: Call) -> None:
        assert call.model == "acme/tiny"
        await call.output.put(answer)

    assert await Pipeline([Resolve(Models(resolved))], last).run(call(model="prod")) is answer


async def test_a_call_whose_model_is_on_its_way_is_told_so_unless_it_waits(
    call, resolved: Resolved, answer: Output
) -> None:
    async def last(made: Call) -> None:
        await made.output.put(answer)

    def looked_up() -> Call:
        made = call()
        made.resolved = resolved()
        return made

    shelf = Shelf()
    pipeline = Pipeline([Download(shelf)], last)
    with pytest.raises(LoadingError):
        await pipeline.run(looked_up())
    waiting = looked_up()
    waiting.wait = True
    assert await pipeline.run(waiting) is answer
    assert shelf.asked == [("acme/tiny", False), ("acme/tiny", True)]


async def test_steps_wrap_each_other_in_their_order(call, answer: Output) -> None:
    events: list[str] = []

    async def last(made: Call) -> None:
        events.append("answered")
        await made.output.put(answer)

    pipeline = Pipeline([Recorder("outer", events), Recorder("inner", events)], last)
    assert await pipeline.run(call()) is answer
    assert events == ["outer in", "inner in", "answered", "inner out", "outer out"]


async def test_a_call_that_names_no_model_gets_the_default_of_its_task(
    call, resolved: Resolved, answer: Output
) -> None:
    async def last(forwarded: Call) -> None:
        assert (forwarded.model, forwarded.resolved) == ("acme/tiny", resolved())
        await forwarded.output.put(answer)

    assert await Pipeline([Resolve(Models(resolved))], last).run(call(model="")) is answer


@pytest.mark.parametrize(
    ("model", "task", "error", "said"),
    [
        ("acme/none", "embed", NotFoundError, "does not exist"),
        ("", "detect", InvalidInputError, "no default model"),
        ("acme/judge", "embed", InvalidInputError, "does not serve `embed`: its task is `classify`"),
    ],
)
async def test_a_call_that_fits_no_model_is_refused(
    call, resolved: Resolved, model: str, task: str, error, said: str
) -> None:
    async def never(_: Call) -> None:
        raise AssertionError("the call was forwarded")

    with pytest.raises(error, match=said):
        await Resolve(Models(resolved))(call(model=model, task=task), never)


def counted(metrics: Metrics, **labels: str) -> float:
    return metrics.registry.get_sample_value("panope_requests_total", labels) or 0.0


async def test_every_end_of_a_call_is_counted_once_under_its_code(call, resolved: Resolved, answer: Output) -> None:
    metrics = Metrics()
    account = Accounting(metrics, code_name, log_requests=True)

    async def ok(made: Call) -> None:
        made.resolved = resolved()
        await made.output.put(answer)

    async def full(made: Call) -> None:
        made.resolved = resolved()
        raise OverloadedError("full")

    async def unknown(_: Call) -> None:
        raise NotFoundError("no such model")

    with capture_logs() as lines:
        await account(call(), ok)
        with pytest.raises(OverloadedError):
            await account(call(), full)
        with pytest.raises(NotFoundError):
            await account(call(model="forged/name"), unknown)
    interface = "EmbedService/Embed"
    assert counted(metrics, interface=interface, model="acme/tiny", code="OK") == 1
    assert counted(metrics, interface=interface, model="acme/tiny", code="RESOURCE_EXHAUSTED") == 1
    assert counted(metrics, interface=interface, model="_other", code="NOT_FOUND") == 1
    assert metrics.registry.get_sample_value("panope_input_tokens_total", {"model": "acme/tiny"}) == 3
    assert [line["code"] for line in lines] == ["OK", "RESOURCE_EXHAUSTED", "NOT_FOUND"]
    assert all(line["request_id"] == "r1" for line in lines)
    assert "hello" not in str(lines)


class Watched(EmbedOutput):
    """An answer of which is seen whether it is still there."""


@pytest.mark.parametrize("seconds", [None, 60.0], ids=["without a deadline", "with a deadline"])
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_an_answer_goes_when_it_was_given(
    call, resolved: Resolved, seconds: float | None, is_streamed: bool
) -> None:
    """A call and a sink that know each other would stay until Python looks for cycles."""
    seen: list[weakref.ref[Output]] = []

    async def last(made: Call) -> None:
        made.resolved = resolved()
        part = Watched(vectors=bytes(8), count=1, dimensions=2, token_counts=[3], truncated_indices=[])
        seen.append(weakref.ref(part))
        await made.output.put(part)

    pipeline = Pipeline([Accounting(Metrics(), code_name, log_requests=False), Deadline(Limits())], last)
    made = call()
    made.deadline = None if seconds is None else made.started + seconds
    gc.disable()
    try:
        if is_streamed:
            async with pipeline.stream(made) as parts:
                assert [type(part) async for part in parts] == [Watched]
        else:
            await pipeline.run(made)
        del made
        assert seen[0]() is None
    finally:
        gc.enable()


async def test_a_caller_that_goes_away_is_counted_as_cancelled(call, resolved: Resolved) -> None:
    metrics = Metrics()
    entered = asyncio.Event()

    async def hang(made: Call) -> None:
        made.resolved = resolved()
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(Accounting(metrics, code_name, log_requests=False)(call(), hang))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert metrics.registry.get_sample_value("panope_requests_cancelled_total", {"model": "acme/tiny"}) == 1


async def test_a_call_for_a_model_whose_task_is_open_is_told_the_candidates(
    call, resolved: Resolved, answer: Output
) -> None:
    async def last(made: Call) -> None:
        await made.output.put(answer)

    pipeline = Pipeline([Resolve(Models(resolved))], last)
    with pytest.raises(PreconditionError, match="embed or rerank") as caught:
        await pipeline.run(call(model="acme/open"))
    assert (caught.value.reason, caught.value.details) == ("ambiguous_task", {"candidates": "embed,rerank"})
    with pytest.raises(InvalidInputError, match="no known task"):
        await pipeline.run(call(model="acme/graph"))


def inferred(metrics: Metrics, **labels: str) -> float:
    return metrics.registry.get_sample_value("inference_requests_total", labels) or 0.0


async def test_calls_count_under_the_words_of_the_design_too(call, resolved: Resolved, answer: Output) -> None:
    metrics = Metrics()
    account = Accounting(metrics, code_name, log_requests=False)

    async def ok(made: Call) -> None:
        made.resolved, made.resolved_model = resolved(variant="0123456789ab"), "acme/tiny@0123456789ab"
        made.placement.format, made.placement.precision = "openvino", "int8"
        await made.output.put(answer)

    async def unknown(_: Call) -> None:
        raise NotFoundError("no such model")

    await account(call(), ok)
    with pytest.raises(NotFoundError):
        await account(call(model="forged/name"), unknown)
    named = {"model_repo_name": "acme/tiny", "variant": "openvino-int8", "task_type": "embed"}
    assert inferred(metrics, **named, status="ok") == 1
    assert inferred(metrics, model_repo_name="_other", variant="", task_type="embed", status="error") == 1
    assert metrics.registry.get_sample_value("inference_latency_ms_bucket", named | {"le": "+Inf"}) == 1


async def test_calls_are_kept_with_where_they_ran_and_how_they_ended(call, resolved: Resolved, answer: Output) -> None:
    kept: list[LoggedCall] = []
    account = Accounting(Metrics(), code_name, log_requests=False, keep=kept.append)

    async def ok(made: Call) -> None:
        made.resolved = resolved()
        made.placement.instance, made.placement.variant_digest = "acme/tiny#1", "ab" * 32
        await made.output.put(answer)

    async def full(made: Call) -> None:
        made.resolved = resolved()
        raise OverloadedError("no room for `a\0b`")

    async def unknown(_: Call) -> None:
        raise NotFoundError("no such model")

    await account(call(), ok)
    for end in (full, unknown):
        with pytest.raises(PanopeError):
            await account(call(), end)
    told = [(one.model, one.variant_digest, one.instance, one.task, one.outcome, one.input_units) for one in kept]
    assert told == [
        ("acme/tiny", "ab" * 32, "acme/tiny#1", "embed", "ok", 3),
        ("acme/tiny", "", "", "embed", "overloaded", 0),
    ], "a name that the registry does not know is not kept"
    assert "hello" not in str(kept)
    assert kept[1].error_message == "no room for `a�b`", "PostgreSQL takes no NUL"
