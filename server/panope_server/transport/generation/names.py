"""What callers call the fields of `GenerateInput` that errors mention."""

from __future__ import annotations

from collections.abc import Mapping

from panope_server.transport.field_names import split

#: The task of models that generate.
TASK = "generate"

#: An error names a field by itself; where it names what the field stands in too, that is not repeated.
_WITHIN = ("conversation.", "options.", "sampling.")
#: Fields with one item for each prompt.
_PROMPTS = ("prompts", "prompt_token_ids")


class GenerationNames:
    """The names that one message or body has, for `PanopeError.renamed`.

    Args:
        names: what fields are called there; others keep their names.
        single: whether there was one prompt by itself, so that its field has no position.
    """

    def __init__(self, names: Mapping[str, str], *, single: bool = False) -> None:
        self._names = names
        self._single = single

    def __call__(self, path: str) -> str:
        """What the caller calls a field."""
        for prefix in _WITHIN:
            path = path.removeprefix(prefix)
        name, rest = split(path)
        if self._single and name in _PROMPTS:
            rest = rest.partition("]")[2]
        return f"{self._names.get(name, name)}{rest}"
