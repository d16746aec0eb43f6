"""Which bodies have questions or masks, on the paths that every client of Hugging Face's posts to."""

from __future__ import annotations

from panope_backends.errors import NotFoundError
from panope_server.transport.interfaces import Models
from panope_server.transport.rest.hugging_face.outline import Outline
from panope_server.transport.rest.hugging_face.texts import answering, filling

#: Fields of `inputs`, and parameters, that nothing else has.
_QUESTIONS = frozenset({"question", "context"})
_MASKS = frozenset({"targets"})


async def text_task(models: Models, path_model: str, outline: Outline) -> str:
    """`question-answering` or `fill-mask` for a body of either; empty for others.

    Args:
        models: know the tasks of models.
        path_model: the model of the path; empty where it names none.
        outline: of the body.
    """
    if outline.input_fields & _QUESTIONS:
        return answering.QUESTIONS
    if outline.parameters & _MASKS:
        return filling.TASK
    try:
        task = (await models.get(path_model or outline.model)).task if path_model or outline.model else ""
    except NotFoundError:
        return ""
    return {answering.TASK: answering.QUESTIONS, filling.TASK: filling.TASK}.get(task, "")
