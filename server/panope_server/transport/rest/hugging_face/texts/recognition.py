"""Which bodies have questions or masks, on the paths that every client of Hugging Face's posts to."""

from __future__ import annotations

from panope_backends.errors import NotFoundError
from panope_server.transport.interfaces import Models
from panope_server.transport.rest.hugging_face.outline import Outline
from panope_server.transport.rest.hugging_face.texts import answering, filling, table_answering

#: Fields of `inputs`, and parameters, that nothing else has.
_QUESTIONS = frozenset({"question", "context"})
_TABLES = frozenset({"query", "table"})
_MASKS = frozenset({"targets"})


async def text_task(models: Models, path_model: str, outline: Outline) -> str:
    """`question-answering`, `table-question-answering` or `fill-mask` for a body of one; empty for others.

    Args:
        models: know the tasks of models.
        path_model: the model of the path; empty where it names none.
        outline: of the body.
    """
    if outline.input_fields & _QUESTIONS:
        return answering.QUESTIONS
    if outline.input_fields & _TABLES:
        return table_answering.TABLES
    if outline.parameters & _MASKS:
        return filling.TASK
    try:
        task = (await models.get(path_model or outline.model)).task if path_model or outline.model else ""
    except NotFoundError:
        return ""
    words = {
        answering.TASK: answering.QUESTIONS,
        table_answering.TASK: table_answering.TABLES,
        filling.TASK: filling.TASK,
    }
    return words.get(task, "")
