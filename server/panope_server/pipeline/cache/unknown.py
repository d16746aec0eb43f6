"""Calls of a model of which nobody knows yet what computes its answers: what computed one is known when it is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.call import Call, Sink
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import AnyTask
from panope_server.tasks.task import Output


async def run_and_keep(
    call: Call,
    forward: Next,
    task: AnyTask,
    kept: KeptAnswers,
    keys_after: Callable[[], Awaitable[list[bytes] | None]],
) -> None:
    """Runs a call and keeps its answer.

    Args:
        call: to run.
        forward: the rest of the way.
        task: of its input.
        kept: takes the answer.
        keys_after: of the items, as far as what computed them is known by then; None where it is not.
    """
    epoch = kept.epoch
    call.output = parts = _Parts(call.output)
    await forward(call)
    keys = await keys_after()
    if keys is None:
        return
    answers: list[Output] = []
    if task.answers_each:
        for part in parts.all:
            answers += task.answers(part, len(answers))
    else:
        answers = [parts.all[0] if len(parts.all) == 1 else task.join(parts.all)]
    if len(answers) == len(keys):
        await kept.keep({key: kept.packed(answer) for key, answer in zip(keys, answers, strict=True)}, epoch)


class _Parts:
    """A sink that keeps the parts of an answer on their way."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.all: list[Output] = []

    def put(self, part: Output) -> Awaitable[None]:
        """Keeps the part and passes it on."""
        self.all.append(part)
        return self._sink.put(part)
