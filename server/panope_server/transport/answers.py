"""What the pipeline answers, with errors that name fields as the body of the request does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.tasks.task import Output
from panope_server.transport.interfaces import Pipeline

OutputT = TypeVar("OutputT", bound=Output)


@contextmanager
def renaming(names: Callable[[str], str]) -> Iterator[None]:
    """Errors of callers from within have the names that `names` gives for Panope's paths of fields."""
    try:
        yield
    except CallerError as error:
        raise error.renamed(names) from None


async def answer_of(pipeline: Pipeline, call: Call, kind: type[OutputT], names: Callable[[str], str]) -> OutputT:
    """The answer to a call.

    Args:
        pipeline: runs it.
        call: that is answered whole.
        kind: of the answer of its task.
        names: of fields, for errors.
    """
    with renaming(names):
        output = await pipeline.run(call)
    assert isinstance(output, kind)
    return output
