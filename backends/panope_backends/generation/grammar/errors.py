"""What callers are told about grammars that are refused."""

from __future__ import annotations

import re
from collections.abc import Callable

from panope_backends.api.generation import GrammarKind
from panope_backends.errors import InvalidInputError

_LANGUAGES = {
    GrammarKind.JSON_OBJECT: "JSON schema",
    GrammarKind.JSON_SCHEMA: "JSON schema",
    GrammarKind.REGEX: "regular expression",
    GrammarKind.LARK: "Lark grammar",
}


def too_large(size: int, limit: int) -> InvalidInputError:
    """The source is longer than allowed."""
    return InvalidInputError.at(
        "grammar",
        "{field} has {size:,} bytes; the limit is {limit:,}",
        reason="invalid_grammar",
        size=size,
        limit=limit,
    )


def too_complex() -> InvalidInputError:
    """The grammar needs more of the parser than allowed."""
    return InvalidInputError.at("grammar", "{field} is too complex", reason="invalid_grammar")


def number_too_large() -> InvalidInputError:
    """A schema has a number that the parser would round."""
    return _invalid("{field} has a whole number past 2^53, which JSON's numbers cannot tell from its neighbours")


def refusal(kind: GrammarKind, said: str) -> InvalidInputError:
    """What the parser says against a grammar, in our words: its own tell of its insides and repeat the source."""
    for pattern, error in _KNOWN:
        if match := pattern.search(said):
            return error(match)
    return _invalid("{field} is not a valid {language}", language=_LANGUAGES[kind])


def _invalid(template: str, **values: object) -> InvalidInputError:
    return InvalidInputError.at("grammar", template, reason="invalid_grammar", **values)


def _says(template: str) -> Callable[[re.Match[str]], InvalidInputError]:
    """An error that repeats at most what the pattern has found, cut short."""
    return lambda match: _invalid(template, **{name: value[:80] for name, value in match.groupdict().items()})


_KNOWN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], InvalidInputError]], ...] = (
    (
        re.compile(r"Unimplemented keys: \[(?P<keywords>[^\]]*)\]"),
        _says("{field} has keywords that are not supported: {keywords}"),
    ),
    (
        re.compile(r"Unknown format: (?P<format>\S+)"),
        _says("{field} has the format `{format}`, which is not supported"),
    ),
    (
        re.compile(r"not present in a registry|retriev"),
        _says("{field} refers to another document; `$ref` may point into its own schema alone"),
    ),
    (
        re.compile(r"Pointer '(?P<pointer>[^']*)' does not exist"),
        _says("{field} has no `{pointer}`, to which a `$ref` points"),
    ),
    (re.compile(r"oneOf constraints"), _says("{field} has a `oneOf` whose branches may overlap; use `anyOf`")),
    (
        re.compile(r"look-?around|backreference", re.IGNORECASE),
        _says("{field} has a pattern with look-around or back-references"),
    ),
    (
        re.compile(r"regex parse error|invalid regex"),
        _says("{field} has a pattern that is no regular expression, or nested too deep"),
    ),
    (re.compile(r"unknown name: \"(?P<name>[^\"]*)\""), _says("{field} has no rule `{name}`")),
    (
        re.compile(r"too (big|large|complex|many)|\bmax is\b|limit|fuel|recursion", re.IGNORECASE),
        lambda match: too_complex(),
    ),
    (
        re.compile(r"Unsatisfiable|NoExtension|no extension|is unsatisfiable", re.IGNORECASE),
        _says("no answer matches {field}"),
    ),
)
