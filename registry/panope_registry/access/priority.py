"""How urgent a call is, among calls that wait for the same model."""

from __future__ import annotations

from enum import IntEnum

from panope_backends.errors import InvalidInputError
from panope_registry.names import shown


class Priority(IntEnum):
    """Higher ones are taken first."""

    LOW = -1
    NORMAL = 0
    HIGH = 1

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str, field: str = "priority") -> Priority:
        """Reads one as people write it.

        Raises:
            InvalidInputError: it is none.
        """
        found = _WORDS.get(text)
        if found is None:
            raise InvalidInputError.at(field, "{field} is `{text}`: write low, normal or high", text=shown(text))
        return found


_WORDS = {priority.word: priority for priority in Priority}
