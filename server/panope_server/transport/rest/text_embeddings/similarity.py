"""One sentence compared with others."""

from __future__ import annotations

import numpy as np

from panope_backends.errors import CallerError, InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.embed import EmbedInput
from panope_server.transport.field_names import split
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.embedding.inputs import Input
from panope_server.transport.rest.embedding.options import Wanted
from panope_server.transport.rest.embedding.run import embed
from panope_server.transport.rest.embedding.vectors import Matrix, matrix_of, of_length_one
from panope_server.transport.rest.json.requests import off_loop
from panope_server.transport.rest.text_embeddings.schemas import SimilarityBody


def similarity_work(body: SimilarityBody, wanted: Wanted) -> EmbedInput:
    """The sentences as texts, the source first; InvalidInputError for options that cosines do not have."""
    if wanted.options.normalize is False:
        raise InvalidInputError("`normalize` must be `true`: cosines are of normalised vectors", field="normalize")
    if wanted.options.encoding_format == "base64":
        raise InvalidInputError("`encoding_format` must be `float`", field="encoding_format")
    texts = [body.inputs.source_sentence, *body.inputs.sentences]
    return wanted.embed_input(Input(texts, [], single=False), direction_alone=True)


async def similarities(pipeline: Pipeline, call: Call, names: dict[str, str]) -> list[float]:
    """The cosine of each sentence with the source."""
    try:
        answer = await embed(pipeline, call, names, single=False)
    except CallerError as error:
        raise error.renamed(_name_of) from None
    return await off_loop(len(answer.vectors), _cosines, matrix_of(answer))


def _cosines(matrix: Matrix) -> list[float]:
    scaled = of_length_one(matrix).astype(np.float64)
    cosines: list[float] = np.clip(scaled[1:] @ scaled[0], -1, 1).tolist()
    return cosines


def _name_of(path: str) -> str:
    """The body's path of a text, of which the first is the source."""
    name, rest = split(path)
    if name != "texts":
        return path
    if not rest:
        return "inputs.sentences"
    index = int(rest.strip("[]"))
    return f"inputs.sentences[{index - 1}]" if index else "inputs.source_sentence"
