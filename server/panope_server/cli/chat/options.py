"""How answers are generated, as options of commands and as `/set` of a chat."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

#: Options that take any number; the others take integers.
_NUMBERS = ("temperature", "top_p")


@dataclass(frozen=True)
class ChatOptions:
    """Of an answer; None for the model's own default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def given(self) -> dict[str, Any]:
        """Those that were set, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def with_text(self, name: str, text: str) -> ChatOptions:
        """The options with one of them as a person wrote it; `default` unsets it.

        Raises:
            ValueError: there is no such option, or the text is no number; the message says so.
        """
        names = [field.name for field in fields(self)]
        if name not in names:
            raise ValueError(f"there is no option `{name}`; there are: {', '.join(names)}, system")
        if text == "default":
            return replace(self, **{name: None})
        value = _read(text, name)
        if value is None:
            raise ValueError(f"`{name}` takes a number, or `default`")
        return replace(self, **{name: value})


def _read(text: str, name: str) -> Any:
    from panope_server.config.numbers import read_integer, read_number

    return read_number(text) if name in _NUMBERS else read_integer(text)
