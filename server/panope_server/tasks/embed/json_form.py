"""Task `embed` as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from panope_server.tasks.embed.types import EmbedInput, EmbedOutput, Purpose
from panope_server.tasks.json_values import Count, names_in_value, whole_number
from panope_server.tasks.task import JsonForm


class EmbedValue(Struct, forbid_unknown_fields=True):
    """The value of task `embed` with options; they mean what they mean in EmbedRequest."""

    texts: list[str]
    truncation: Literal["refuse", "end", "start"] = "refuse"
    normalize: bool | None = None
    dimensions: Count | None = None
    prompt_name: str | None = None
    purpose: Purpose = ""


EmbedJson = str | list[str] | EmbedValue
"""A text, a list of texts, or an object with `texts` and options."""


class EmbedJsonForm(JsonForm[EmbedInput, EmbedOutput]):
    """Texts to one list of numbers for each."""

    schema: ClassVar[Any] = EmbedJson

    def input_of(self, value: EmbedJson) -> EmbedInput:
        """The input; numbers that must be whole are."""
        if isinstance(value, str):
            return EmbedInput([value])
        if isinstance(value, list):
            return EmbedInput(value)
        return EmbedInput(
            value.texts,
            truncation=value.truncation,
            normalize=value.normalize,
            dimensions=whole_number(value.dimensions, "value.dimensions"),
            prompt_name=value.prompt_name,
            purpose=value.purpose,
        )

    def value_of(self, output: EmbedOutput) -> NDArray[np.float32] | list[Any]:
        """One vector for each text, in order; of sparse ones, the values that are not 0; or lists of vectors."""
        if output.sparse_vectors:
            return [{"indices": vector.indices, "values": vector.values} for vector in output.sparse_vectors]
        if output.vector_counts:
            return [vectors.tolist() for vectors in output.of_each()]
        return np.frombuffer(output.vectors, "<f4").reshape(output.count, output.dimensions)

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Texts by themselves are the value."""
        return names_in_value(value, EmbedValue, "texts")
