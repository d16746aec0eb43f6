"""What a key may do: scopes such as `embed:*` or `models:read`, and patterns for the models on which it may.

A scope is RESOURCE:ACTION, and `*` stands for every one. A resource is a task, whose one action is `run`, or one of
`RESOURCES`; `infer` stands for every task, and `admin` alone for all there is. What no scope names is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from panope_backends.errors import InvalidInputError
from panope_registry.names import MAX_PART_LENGTH, shown

ANY = "*"
ADMIN = "admin"
#: Stands for every task.
INFER = "infer"
RUN = "run"
READ = "read"
WRITE = "write"

#: What is no task, with its actions.
RESOURCES = {
    "models": (READ, WRITE),
    "files": (READ,),
    "aliases": (READ, WRITE),
    "jobs": (READ, WRITE),
    "keys": (READ, WRITE),
    "usage": (READ,),
    "audit": (READ,),
    "cache": (READ, WRITE),
    "status": (READ,),
    "metrics": (READ,),
}

MAX_SCOPES = 64
MAX_PATTERNS = 256

_WORD = r"[a-z][a-z0-9-]{0,63}"
_SCOPE = re.compile(rf"(?P<resource>\*|{_WORD}):(?P<action>\*|{_WORD})")
_NAME = rf"[A-Za-z0-9_][A-Za-z0-9._:-]{{0,{MAX_PART_LENGTH - 1}}}"
_PATTERN = re.compile(rf"\*|{_NAME}(/|/{_NAME})?\*?")


@dataclass(frozen=True)
class Scopes:
    """Some scopes.

    Attributes:
        pairs: resource and action of each.
    """

    pairs: frozenset[tuple[str, str]]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Scopes:
        """Reads scopes as people write them.

        Raises:
            InvalidInputError: one is none, there is none, or there are too many.
        """
        pairs = frozenset(map(_pair, texts))
        if not pairs:
            raise InvalidInputError.at("scopes", "{field} is empty: a key without a scope can do nothing")
        if len(pairs) > MAX_SCOPES:
            raise InvalidInputError.at(
                "scopes", "{field} has {count:,} items; the limit is {limit:,}", count=len(pairs), limit=MAX_SCOPES
            )
        return cls(pairs)

    @classmethod
    def stored(cls, texts: Iterable[str]) -> Scopes:
        """Those of a table, also of words that only another version of Panope knows, which allow nothing here."""
        return cls(frozenset((resource, action) for resource, _, action in (text.partition(":") for text in texts)))

    def allow(self, resource: str, action: str) -> bool:
        """Whether one of them allows an action on a resource."""
        pairs = self.pairs
        return (
            (resource, action) in pairs
            or (resource, ANY) in pairs
            or (ANY, ANY) in pairs
            or (ANY, action) in pairs
            or (action == RUN and ((INFER, ANY) in pairs or (INFER, RUN) in pairs))
        )

    @property
    def are_all(self) -> bool:
        """Whether they allow everything."""
        return (ANY, ANY) in self.pairs

    @cached_property
    def allow_some_task(self) -> bool:
        """Whether one of them allows some task to be run."""
        return any(resource not in RESOURCES and action in (RUN, ANY) for resource, action in self.pairs)

    @property
    def texts(self) -> list[str]:
        """As people write them, in order."""
        return sorted(f"{resource}:{action}" for resource, action in self.pairs)


@dataclass(frozen=True)
class ModelPatterns:
    """The models on which a key may do what its scopes allow; every other model is hidden from it.

    Attributes:
        texts: names of models and aliases, such as `acme/tiny`, or how they begin, such as `acme/*`; `*` for all.
    """

    texts: tuple[str, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> ModelPatterns:
        """Reads patterns as people write them.

        Raises:
            InvalidInputError: one is none, there is none, or there are too many.
        """
        found = tuple(sorted(set(texts)))
        if not found:
            raise InvalidInputError.at("models", "{field} is empty: write `*` for every model")
        if len(found) > MAX_PATTERNS:
            raise InvalidInputError.at(
                "models", "{field} has {count:,} items; the limit is {limit:,}", count=len(found), limit=MAX_PATTERNS
            )
        for text in found:
            if not _PATTERN.fullmatch(text):
                raise InvalidInputError.at(
                    "models",
                    "{field} holds `{text}`: write a model's name, how it begins, such as `VENDOR/*`, or `*`",
                    text=shown(text),
                )
        return cls(found)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(text for text in self.texts if not text.endswith(ANY))

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(text[:-1] for text in self.texts if text.endswith(ANY))

    @cached_property
    def are_all(self) -> bool:
        """Whether they match every model."""
        return ANY in self.texts

    def cover(self, others: ModelPatterns) -> bool:
        """Whether they match every name that others match."""
        return all(
            text[:-1].startswith(self._beginnings) if text.endswith(ANY) else self.match(text) for text in others.texts
        )

    def match(self, name: str) -> bool:
        """Whether one of them matches the name of a model or an alias."""
        return name.startswith(self._beginnings) or name in self._names


EVERY_SCOPE = Scopes(frozenset({(ANY, ANY)}))
EVERY_MODEL = ModelPatterns((ANY,))


def _pair(text: str) -> tuple[str, str]:
    if text == ADMIN:
        return ANY, ANY
    found = _SCOPE.fullmatch(text)
    resource, action = (found["resource"], found["action"]) if found else ("", "")
    allowed = RESOURCES.get(resource, (READ, WRITE, RUN) if resource == ANY else (RUN,))
    if action != ANY and action not in allowed:
        raise InvalidInputError.at(
            "scopes",
            "{field} holds `{text}`: write RESOURCE:ACTION such as `embed:run`, `models:read` or `jobs:*`, or `admin`",
            text=shown(text),
        )
    return resource, action
