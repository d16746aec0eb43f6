"""Task `classify`: texts, or pairs of texts, to labels with scores."""

from panope_server.tasks.classify.types import ClassifyInput, ClassifyOutput, ClassifySpec, Function, LabelScore

__all__ = ["ClassifyInput", "ClassifyOutput", "ClassifySpec", "Function", "LabelScore"]
