"""How urgent a call is: as its caller asks, and no more than the caller may."""

from __future__ import annotations

from panope_backends.errors import Field, InvalidInputError
from panope_registry.access.priority import Priority
from panope_server.access.principal import current_principal
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of

#: The metadata of a call, and header of REST, that says how urgent it is.
HEADER = "x-panope-priority"
_BY_SIGN = {int(each): each for each in Priority}


class Prioritize:
    """The step that gives a call its priority; the steps that find its input come before."""

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call with its priority."""
        number = task_of(call.input).priority(call.input)
        call.priority = capped(asked_for(call.asked_priority, number), current_principal().max_priority)
        await forward(call)


def asked_for(word: Priority | None, number: int) -> int:
    """The priority that a call asks for.

    Args:
        word: of its metadata; None where there is none.
        number: of its input, from -100 to 100; 0 where that says nothing.

    Raises:
        InvalidInputError: the two contradict each other.
    """
    if word is None or class_of(number) is word:
        return number
    if number:
        raise InvalidInputError.at(
            "priority",
            "{field} asks for {number}, {header} for {word}",
            number=class_of(number).word,
            header=Field(HEADER),
            word=word.word,
        )
    return int(word)


def capped(priority: int, most: Priority) -> int:
    """The priority, or where its class is above the highest that its caller may have, that."""
    return priority if class_of(priority) <= most else int(most)


def class_of(priority: int) -> Priority:
    """High above 0, low below."""
    return _BY_SIGN[(priority > 0) - (priority < 0)]
