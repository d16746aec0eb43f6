"""What callers call the fields that errors mention: one field has one path in Panope and a name in each body."""

from __future__ import annotations

from collections.abc import Mapping

#: Fields with one item for each text, or image.
_ITEMS = ("texts", "token_sequences", "images")


class FieldNames:
    """The names that one body has, for `PanopeError.renamed`.

    Args:
        names: the body's names of fields, by Panope's: of whole paths, or of outermost fields; others keep theirs.
        single: whether the body gave one text or image by itself, so that its field has no position.
    """

    def __init__(self, names: Mapping[str, str], *, single: bool = False) -> None:
        self._names = names
        self._single = single

    def __call__(self, path: str) -> str:
        """The body's path of a field."""
        if path in self._names:
            return self._names[path]
        name, rest = split(path)
        if self._single and name in _ITEMS:
            rest = ""
        return f"{self._names.get(name, name)}{rest}"


def split(path: str) -> tuple[str, str]:
    """The outermost field of a path, and what follows: `inputs` and `[0].data_type`."""
    end = next((at for at, char in enumerate(path) if char in "[."), len(path))
    return path[:end], path[end:]
