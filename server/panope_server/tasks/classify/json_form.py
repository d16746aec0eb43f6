"""Task `classify` as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope_server.tasks.classify.types import ClassifyInput, ClassifyOutput, LabelScore
from panope_server.tasks.json_values import Count, names_in_value, whole_number
from panope_server.tasks.task import JsonForm


class ClassifyValue(Struct, forbid_unknown_fields=True):
    """The value of task `classify` with options; they mean what they mean in ClassifyRequest."""

    texts: list[str]
    second_texts: list[str] = []
    truncation: Literal["refuse", "end", "start"] = "refuse"
    function: Literal["", "softmax", "sigmoid", "none"] = ""
    top_k: Count | None = None


class ClassifyJsonForm(JsonForm[ClassifyInput, ClassifyOutput]):
    """Texts to a list of labels with scores for each."""

    schema: ClassVar[Any] = str | list[str] | ClassifyValue

    def input_of(self, value: str | list[str] | ClassifyValue) -> ClassifyInput:
        """The texts."""
        if not isinstance(value, ClassifyValue):
            return ClassifyInput([value] if isinstance(value, str) else value)
        return ClassifyInput(
            value.texts,
            value.second_texts,
            truncation=value.truncation,
            function=value.function,
            top_k=whole_number(value.top_k, "value.top_k"),
        )

    def value_of(self, output: ClassifyOutput) -> list[list[dict[str, Any]]]:
        """The labels of each text, the highest score first."""
        return [labels_value(labels) for labels in output.texts]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Texts by themselves are the value."""
        return names_in_value(value, ClassifyValue, "texts")


def labels_value(labels: list[LabelScore]) -> list[dict[str, Any]]:
    """Labels as JSON."""
    return [{"label": label, "score": score} for label, score in labels]
