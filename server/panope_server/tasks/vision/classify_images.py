"""Task `classify-images`: images to labels, the model's own or the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.classify.types import FUNCTIONS, Function, LabelScore, classifies_images
from panope_server.tasks.task import Workload
from panope_server.tasks.validation import check_length, check_positive, check_text, check_word
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

#: Of the caller's own; the model reads all of them beside every image.
MAX_LABELS = 256
MAX_LABEL_CHARACTERS = 1024


@dataclass(slots=True)
class ClassifyImagesInput(ImagesInput):
    """Images to classify.

    Attributes:
        candidate_labels: of the caller's own; empty for those of the model.
        hypothesis_template: what is said of an image, with `{}` in the place of a label; empty for the default.
        top_k: how many labels to tell of each image; None for all.
    """

    candidate_labels: list[str] = field(default_factory=list)
    hypothesis_template: str = ""
    function: Function = ""
    top_k: int | None = None


@dataclass(slots=True)
class ClassifyImagesOutput(ImagesOutput):
    """The labels of each image, in the order of the images, the highest score first."""

    images: list[list[LabelScore]]


class ClassifyImagesTask(ImagesTask[ClassifyImagesInput, ClassifyImagesOutput]):
    """Images to labels."""

    name = "classify-images"
    input_type = ClassifyImagesInput
    output_type = ClassifyImagesOutput
    models_of = "classify"
    workloads: ClassVar[Sequence[Workload]] = images_workloads(
        "classify", ClassifyImagesInput, is_for=lambda model: classifies_images(model.architecture)
    )

    def encode(self, task_input: ClassifyImagesInput) -> bytes:
        """Fields that are empty are left to the model's files."""
        message = messages.ClassifyImagesInput(
            images=image_messages(task_input.images),
            function=task_input.function,
            top_k=task_input.top_k,
            candidate_labels=task_input.candidate_labels,
            hypothesis_template=task_input.hypothesis_template,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> ClassifyImagesOutput:
        """The labels by their names."""
        message = messages.ClassifyImagesOutput.FromString(data)
        labels, width = list(message.labels), message.top_k
        pairs = zip(message.label_ids, message.scores, strict=True)
        flat = [LabelScore(labels[label], score) for label, score in pairs]
        return ClassifyImagesOutput([flat[start : start + width] for start in range(0, len(flat), width)])

    def agreement(self, expected: ClassifyImagesOutput, found: ClassifyImagesOutput) -> float:
        """How near the scores of all labels are."""
        return agreement.of_each(
            lambda one, other: agreement.of_scores(dict(one), dict(other)), expected.images, found.images
        )

    def validate(self, task_input: ClassifyImagesInput, limits: Limits) -> None:
        """Checks every field; what images hold, the worker sees."""
        super().validate(task_input, limits)
        check_labels(task_input.candidate_labels, limits)
        check_length(task_input.hypothesis_template, "hypothesis_template", MAX_LABEL_CHARACTERS)
        if task_input.hypothesis_template and "{}" not in task_input.hypothesis_template:
            raise InvalidInputError.at("hypothesis_template", "{field} has no `{place}`, where labels go", place="{}")
        if task_input.function:
            check_word(task_input.function, "function", FUNCTIONS)
        check_positive(task_input.top_k, "top_k")


def check_labels(labels: Sequence[str], limits: Limits) -> None:
    """Refuses labels of the caller's own that are empty, too long, too many, or there twice."""
    if len(labels) > MAX_LABELS:
        raise InvalidInputError.at(
            "candidate_labels",
            "{field} has {count:,} items; the limit is {limit:,}",
            count=len(labels),
            limit=MAX_LABELS,
        )
    for index, label in enumerate(labels):
        check_text(label, f"candidate_labels[{index}]", limits)
        check_length(label, f"candidate_labels[{index}]", MAX_LABEL_CHARACTERS)
    if len(set(labels)) < len(labels):
        raise InvalidInputError.at("candidate_labels", "{field} has a label twice")
