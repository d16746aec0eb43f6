"""The part that all embedding bodies share: run the work, and name fields as the caller knows them."""

from __future__ import annotations

from collections.abc import Mapping

from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.task import Output
from panope_server.tasks.vision.embed_images import EmbedImagesOutput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interfaces import Pipeline


async def embed(pipeline: Pipeline, call: Call, names: Mapping[str, str], *, single: bool) -> EmbedOutput:
    """Runs an embed call.

    Args:
        pipeline: what answers.
        call: with EmbedInput, or EmbedImagesInput.
        names: the body's names for the fields of the input; others keep theirs.
        single: whether the body gave one text or image by itself, so that its field has no position.
    """
    answer = await answered(pipeline, call, names, single=single)
    if isinstance(answer, EmbedImagesOutput):
        return answer.as_embedded()
    assert isinstance(answer, EmbedOutput)
    return answer


async def answered(pipeline: Pipeline, call: Call, names: Mapping[str, str], *, single: bool) -> Output:
    """As `embed`, for work of any kind."""
    try:
        return await pipeline.run(call)
    except CallerError as error:
        raise error.renamed(FieldNames(names, single=single)) from None
