"""Rules that say what callers may do who are known by something else than a key: `NAME=SCOPE SCOPE on MODEL MODEL`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.access.scopes import ANY, EVERY_MODEL, ModelPatterns, Scopes
from panope_registry.names import shown

CheckScopes = Callable[[Sequence[str]], None]
"""Refuses scopes of what there is not, with InvalidInputError."""

#: The name may hold `=`, as URIs do; what follows cannot.
_RULE = re.compile(r"(?P<name>\S+)=(?P<scopes>[^=]+?)(?: on (?P<models>[^=]+))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """What callers of a name may do.

    Attributes:
        name: of a caller, or how it begins, with `*` at the end; `*` alone for every caller.
        scopes: what it may do.
        models: on which models.
    """

    name: str
    scopes: Scopes
    models: ModelPatterns = EVERY_MODEL

    @classmethod
    def parse(cls, text: str, setting: str, check: CheckScopes = lambda _: None) -> Rule:
        """Reads one as the settings have it.

        Args:
            text: the rule.
            setting: that holds it, for messages.
            check: of its scopes.

        Raises:
            PreconditionError: it is none.
        """
        found = _RULE.fullmatch(text)
        if found is None:
            raise _wrong(setting, text, "write `NAME=SCOPE SCOPE`, or `NAME=SCOPE on MODEL MODEL`")
        scopes, models = found["scopes"].split(), (found["models"] or ANY).split()
        try:
            check(scopes)
            return cls(found["name"], Scopes.parse(scopes), ModelPatterns.parse(models))
        except InvalidInputError as error:
            raise _wrong(setting, text, error.message) from None

    def match(self, names: Collection[str]) -> str:
        """The caller's name for which it is; empty for none."""
        if self.name == ANY:  # for those of no name too
            return next(iter(names), ANY)
        if not self.name.endswith(ANY):
            return self.name if self.name in names else ""
        return next((name for name in names if name.startswith(self.name[:-1])), "")


class Rules:
    """Rules in their order: of a caller with several names the first that matches one counts, and it alone.

    Those of two rules together would allow what neither does: the scopes of one on the models of the other.
    """

    def __init__(self, texts: Iterable[str], setting: str, check: CheckScopes = lambda _: None) -> None:
        self._rules = [Rule.parse(text, setting, check) for text in texts]

    def find(self, names: Collection[str]) -> tuple[Rule, str] | None:
        """The rule for a caller of these names, and the name for which it is; None for none."""
        return next(((rule, name) for rule in self._rules if (name := rule.match(names))), None)


def _wrong(setting: str, text: str, why: str) -> PreconditionError:
    return PreconditionError(f"`{setting}` holds `{shown(text)}`: {why}", reason="invalid_rule")
