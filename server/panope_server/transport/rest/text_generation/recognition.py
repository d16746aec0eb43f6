"""Which bodies ask for a text to be continued, on the paths that every client of Hugging Face's posts to."""

from __future__ import annotations

from panope_backends.errors import NotFoundError
from panope_server.transport.generation.names import TASK
from panope_server.transport.interfaces import Models
from panope_server.transport.rest.hugging_face.outline import Outline
from panope_server.transport.rest.text_generation.schemas import GenerateParameters

#: The Inference API's word for the task.
GENERATION = "text-generation"

#: Parameters that nothing else has: the embedding routes know `truncate` too.
_OWN = frozenset(GenerateParameters.__struct_fields__) - {"truncate"}


async def generates(models: Models, path_model: str, outline: Outline) -> bool:
    """Whether a body is for a model that generates.

    Args:
        models: know the tasks of models.
        path_model: the model of the path; empty where it names none.
        outline: of the body.
    """
    if "stream" in outline.fields or outline.parameters & _OWN:
        return True
    if outline.inputs != '"':
        return False
    name = path_model or outline.model
    name = name or await models.default_for("embed") or await models.default_for(TASK) or ""
    try:
        return (await models.get(name)).task == TASK
    except NotFoundError:
        return False
