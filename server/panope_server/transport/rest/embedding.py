"""The part that all embedding bodies share: run the work, and name fields as the caller knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.task import Output
from panope_server.transport.interfaces import Pipeline

_QUOTED = re.compile(r"`(\w+)((?:\[\d+\])?)`")


async def embed(pipeline: Pipeline, call: Call, names: Mapping[str, str], *, single: bool) -> EmbedOutput:
    """Runs an embed call.

    Args:
        pipeline: what answers.
        call: with EmbedInput.
        names: the body's names for the fields of EmbedInput; others keep theirs.
        single: whether the body gave one text by itself, so that its field has no position.
    """
    answer = await answered(pipeline, call, names, single=single)
    assert isinstance(answer, EmbedOutput)
    return answer


async def answered(pipeline: Pipeline, call: Call, names: Mapping[str, str], *, single: bool) -> Output:
    """As `embed`, for work of any kind."""
    try:
        return await pipeline.run(call)
    except InvalidInputError as error:
        raise _in_the_words_of(error, names, single=single) from None


def _in_the_words_of(error: InvalidInputError, names: Mapping[str, str], *, single: bool) -> InvalidInputError:
    def renamed(field: re.Match[str]) -> str:
        name, position = field[1], field[2]
        if single and name in {"texts", "token_sequences"}:
            position = ""
        return f"`{names.get(name, name)}{position}`"

    return InvalidInputError(
        _QUOTED.sub(renamed, error.message),
        reason=error.reason,
        field=_QUOTED.sub(renamed, f"`{error.field}`").strip("`"),
        retry_after_seconds=error.retry_after_seconds,
    )
