"""A task's input and answer as plain JSON values, the same for gRPC's `Infer` and for POST /v1/infer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.transport.rest.json.errors import misfit


class EmbedValue(Struct, forbid_unknown_fields=True):
    """The value of task `embed` with options; they mean what they mean in EmbedRequest."""

    texts: list[str]
    truncation: Literal["refuse", "end", "start"] = "refuse"
    normalize: bool | None = None
    # Numbers of google.protobuf.Value are doubles.
    dimensions: Annotated[int, Meta(ge=1)] | Annotated[float, Meta(ge=1)] | None = None
    prompt_name: str | None = None


EmbedJson = str | list[str] | EmbedValue
"""What task `embed` takes."""


def embed_input_of(value: object) -> EmbedInput:
    """The input of task `embed`: a text, a list of texts, or an object with `texts` and options.

    Raises:
        InvalidInputError: another shape; its field starts with `value`.
    """
    try:
        given = msgspec.convert(value, EmbedJson)
    except msgspec.ValidationError as error:
        raise misfit(error, EmbedJson, "value") from None
    if isinstance(given, str):
        return EmbedInput([given])
    if isinstance(given, list):
        return EmbedInput(given)
    return EmbedInput(
        given.texts,
        truncation=given.truncation,
        normalize=given.normalize,
        dimensions=_whole(given.dimensions),
        prompt_name=given.prompt_name,
    )


def value_names(value: object) -> dict[str, str]:
    """What the fields of EmbedInput are called in a value."""
    if not isinstance(value, dict):
        return {"texts": "value"}
    return {name: f"value.{name}" for name in ("texts", "truncation", "normalize", "dimensions", "prompt_name")}


def value_of(answer: EmbedOutput) -> list[list[float]]:
    """The answer of task `embed`: one vector for each text, in order."""
    matrix = np.frombuffer(answer.vectors, "<f4").reshape(answer.count, answer.dimensions)
    vectors: list[list[float]] = matrix.tolist()
    return vectors


def _whole(number: float | None) -> int | None:
    if number is None or isinstance(number, int):
        return number
    if not number.is_integer():
        raise InvalidInputError("`value.dimensions` must be a whole number", field="value.dimensions")
    return int(number)
