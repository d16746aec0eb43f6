"""What an answer must match, in every spelling that clients have for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GrammarKind
from panope_server.transport.rest.json.raw import is_given

_Source = Annotated[str, Meta(min_length=1, max_length=1 << 18)]
_Choices = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=1024)]

#: A grammar's kind and source, and the field of the body that gives it.
Found = tuple[GrammarKind | None, str, str]

#: What has a meaning of its own in a regular expression.
_SPECIAL = frozenset("\\.^$|?*+()[]{}-&~#")


class JsonSchemaFormat(Struct, forbid_unknown_fields=True, kw_only=True):
    """A schema with its name.

    Attributes:
        name: What it is called; for people.
        description: What it is for; for people.
        schema: The JSON Schema.
        strict: Has no effect: an answer always matches.
    """

    name: str = ""
    description: str | None = None
    schema: Raw = field(default_factory=Raw)
    strict: bool | None = None


class ResponseFormat(Struct, forbid_unknown_fields=True, kw_only=True):
    """What an answer must match.

    Attributes:
        type: `text` for anything; `json_object` for any object, or for one of `value` or `schema`; `json_schema` and
            `json` for one of the schema; `regex` and `lark` for the expression or grammar in `value`.
        json_schema: The schema as OpenAI's clients write it.
        value: The schema, expression or grammar as those of Text Generation Inference write it.
        schema: The schema as those of llama.cpp write it.
    """

    type: Literal["text", "json_object", "json_schema", "json", "regex", "lark"]
    json_schema: JsonSchemaFormat | None = None
    value: Raw = field(default_factory=Raw)
    schema: Raw = field(default_factory=Raw)


class StructuredOutputs(Struct, forbid_unknown_fields=True, kw_only=True):
    """What an answer must match, as vLLM's clients write it.

    Attributes:
        json: A JSON Schema, or the text of one.
        json_object: Whether it must be a JSON object.
        regex: A regular expression.
        choice: One of these texts.
        grammar: A grammar in the syntax of Lark.
    """

    json: Raw = field(default_factory=Raw)
    json_object: bool | None = None
    regex: _Source | None = None
    choice: _Choices | None = None
    grammar: _Source | None = None


class GrammarFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """What an answer must match: at most one of these.

    Attributes:
        response_format: As OpenAI's clients write it.
        structured_outputs: As vLLM's clients write it.
        guided_json: As they wrote it before: a JSON Schema, or the text of one.
        guided_regex: A regular expression.
        guided_choice: One of these texts.
        guided_grammar: A grammar in the syntax of Lark.
        regex: A regular expression.
        grammar: A grammar in the syntax of Lark.
    """

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: Raw = field(default_factory=Raw)
    guided_regex: _Source | None = None
    guided_choice: _Choices | None = None
    guided_grammar: _Source | None = None
    regex: _Source | None = None
    grammar: _Source | None = None


def grammar_of(body: GrammarFields) -> Found:
    """The one grammar that a body gives; no kind where it gives none.

    Raises:
        InvalidInputError: several, or one that is not written as its kind is.
    """
    found = [each for each in (*_formats(body), *_guided(body, "guided_"), *_own(body)) if each[0] is not None]
    if len(found) > 1:
        raise InvalidInputError(f"`{found[1][2]}` and `{found[0][2]}` exclude each other", field=found[1][2])
    return found[0] if found else (None, "", "grammar")


def format_grammar(given: ResponseFormat, where: str = "response_format") -> Found:
    """The grammar of one `response_format`."""
    schemas = {
        "json_schema.schema": given.json_schema.schema if given.json_schema else Raw(),
        "value": given.value,
        "schema": given.schema,
    }
    named = [(f"{where}.{name}", raw) for name, raw in schemas.items() if is_given(raw)]
    if len(named) > 1:
        raise InvalidInputError(f"`{named[1][0]}` and `{named[0][0]}` exclude each other", field=named[1][0])
    match given.type:
        case "text":
            return _nothing_more(named)
        case "json_object" if not named:
            return "json_object", "", where
        case "regex" | "lark" as kind:
            name, raw = named[0] if named else (f"{where}.value", None)
            return kind, _text(raw, name), name
        case _:
            name, raw = named[0] if named else (f"{where}.json_schema", None)
            return "json_schema", _schema(raw, name), name


def _formats(body: GrammarFields) -> list[Found]:
    found = [] if body.response_format is None else [format_grammar(body.response_format)]
    outputs = body.structured_outputs
    if outputs is None:
        return found
    if outputs.json_object:
        found.append(("json_object", "", "structured_outputs.json_object"))
    return [*found, *_guided(outputs, "structured_outputs.", "")]


def _guided(given: GrammarFields | StructuredOutputs, shown: str, prefix: str = "guided_") -> list[Found]:
    """What stands in the four fields that vLLM has, whose names begin with a prefix."""
    kinds: Mapping[str, tuple[GrammarKind, Callable[..., str]]] = {
        "json": ("json_schema", _schema),
        "regex": ("regex", _same),
        "choice": ("regex", _one_of),
        "grammar": ("lark", _same),
    }
    values = {name: getattr(given, f"{prefix}{name}") for name in kinds}
    return [
        (kinds[name][0], kinds[name][1](value, f"{shown}{name}"), f"{shown}{name}")
        for name, value in values.items()
        if (is_given(value) if isinstance(value, Raw) else value is not None)
    ]


def _own(body: GrammarFields) -> list[Found]:
    found: list[Found] = []
    if body.regex is not None:
        found.append(("regex", body.regex, "regex"))
    if body.grammar is not None:
        found.append(("lark", body.grammar, "grammar"))
    return found


def _nothing_more(named: list[tuple[str, Raw]]) -> Found:
    if named:
        raise InvalidInputError(f"`{named[0][0]}` has no effect with the type `text`", field=named[0][0])
    return None, "", ""


def _schema(raw: Raw | None, name: str) -> str:
    """A JSON Schema as text; it may have been written as a text already."""
    data = b"" if raw is None else bytes(raw)
    if data.startswith(b'"'):
        data = msgspec.json.decode(data, type=str).strip().encode()
    try:
        msgspec.json.decode(data, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidInputError(f"`{name}` must be a JSON Schema, an object", field=name) from None
    return data.decode()


def _text(raw: Raw | None, name: str) -> str:
    text = None
    if raw is not None and bytes(raw).startswith(b'"'):
        text = msgspec.json.decode(raw, type=str)
    if not text:
        raise InvalidInputError(f"`{name}` must be a text, not empty", field=name)
    return text


def _same(text: str, _name: str) -> str:
    return text


def _one_of(choices: list[str], _name: str) -> str:
    """A regular expression of these texts alone."""
    return "|".join(f"({_literal(choice)})" for choice in choices)


def _literal(text: str) -> str:
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in text)
