"""Which bodies ask for a text to be continued, on the paths that every client of Hugging Face's posts to."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from panope_backends.errors import NotFoundError
from panope_server.transport.generation.names import TASK
from panope_server.transport.interfaces import Models
from panope_server.transport.rest.text_generation.schemas import GenerateParameters

#: The Inference API's word for the task.
GENERATION = "text-generation"

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
#: Parameters that nothing else has: the embedding routes know `truncate` too.
_OWN = frozenset(GenerateParameters.__struct_fields__) - {"truncate"}


async def generates(models: Models, path_model: str, data: bytes) -> bool:
    """Whether a body is for a model that generates; what is wrong with it is told when it is read.

    Args:
        models: know the tasks of models.
        path_model: the model of the path; empty where it names none.
        data: the body.
    """
    try:
        fields = _FIELDS.decode(data)
        names, named = _names_of(fields.get("parameters", Raw())), _text(fields.get("model", Raw()))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if "stream" in fields or names & _OWN:
        return True
    if not bytes(fields.get("inputs", Raw())).startswith(b'"'):
        return False
    name = path_model or named or await models.default_for("embed") or await models.default_for(TASK) or ""
    try:
        return (await models.get(name)).task == TASK
    except NotFoundError:
        return False


def _names_of(raw: Raw) -> set[str]:
    return {*_FIELDS.decode(raw)} if bytes(raw).startswith(b"{") else set()


def _text(raw: Raw) -> str:
    return msgspec.json.decode(raw, type=str) if bytes(raw).startswith(b'"') else ""
