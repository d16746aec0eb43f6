"""The architectures: each type of transformers' with its classes, and what each class is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A class of a type.

    Attributes:
        model_type: as transformers names it.
        class_name: of transformers.
        heads: the auto maps that have it, such as `causal-lm`.
    """

    model_type: str
    class_name: str
    heads: frozenset[str]


def entries() -> list[Entry]:
    """All that the installed transformers has, by type and class."""
    found: dict[tuple[str, str], set[str]] = {}
    for head, model_type, name in _mapped():
        found.setdefault((model_type, name), set()).add(head)
    return [Entry(kind, name, frozenset(heads)) for (kind, name), heads in sorted(found.items())]


def _mapped() -> Iterator[tuple[str, str, str]]:
    from transformers.models.auto import modeling_auto

    for attribute, classes in vars(modeling_auto).items():
        if not attribute.endswith("MAPPING_NAMES") or attribute.startswith(("CONFIG", "MODEL_FOR_TEXT_ENCODING")):
            continue
        head = (
            attribute.removesuffix("_MAPPING_NAMES").removeprefix("MODEL_").removeprefix("FOR_").removeprefix("MODEL")
        )
        for model_type, named in classes.items():
            for name in (named,) if isinstance(named, str) else named:
                yield head.strip("_").lower().replace("_", "-") or "base", model_type, name
