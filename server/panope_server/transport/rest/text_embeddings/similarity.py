"""One sentence compared with others."""

from __future__ import annotations

import re

import numpy as np

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedInput
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embed_options import Wanted
from panope_server.transport.rest.embedding import embed
from panope_server.transport.rest.text_embeddings.bodies import SimilarityBody
from panope_server.transport.rest.texts import Input
from panope_server.transport.rest.vectors import matrix_of

_TEXT = re.compile(r"\btexts\[(\d+)\]")


def similarity_work(body: SimilarityBody, wanted: Wanted) -> EmbedInput:
    """The sentences as texts, the source first; InvalidInputError for options that cosines do not have."""
    if wanted.options.normalize is False:
        raise InvalidInputError("`normalize` must be `true`: cosines are of normalised vectors", field="normalize")
    if wanted.options.encoding_format == "base64":
        raise InvalidInputError("`encoding_format` must be `float`", field="encoding_format")
    texts = [body.inputs.source_sentence, *body.inputs.sentences]
    task_input = wanted.embed_input(Input(texts, [], single=False), direction_alone=True)
    task_input.normalize = True
    return task_input


async def similarities(pipeline: Pipeline, call: Call, names: dict[str, str]) -> list[float]:
    """The cosine of each sentence with the source."""
    try:
        answer = await embed(pipeline, call, names, single=False)
    except InvalidInputError as error:
        raise InvalidInputError(
            _TEXT.sub(_named, error.message), reason=error.reason, field=_TEXT.sub(_named, error.field)
        ) from None
    matrix = matrix_of(answer).astype(np.float64)
    cosines: list[float] = np.clip(matrix[1:] @ matrix[0], -1, 1).tolist()
    return cosines


def _named(text: re.Match[str]) -> str:
    index = int(text[1])
    return f"inputs.sentences[{index - 1}]" if index else "inputs.source_sentence"
