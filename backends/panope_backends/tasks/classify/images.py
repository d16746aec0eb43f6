"""Models that classify images: by their own labels, or by texts that the caller brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.decoders import LabelScores
from panope_backends.media.processors import load_image_processor
from panope_backends.model_facts.image_models import compares, sees_padding, with_type
from panope_backends.tasks.classify.files import function_of, labels_of
from panope_backends.tasks.classify.functions import Function, best_of, function_asked, top_k_asked
from panope_backends.tasks.classify.timm_labels import with_timm_labels
from panope_backends.tasks.graphs.loading import description_of, load_graph
from panope_backends.tasks.images import ImagePreparer
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.label_texts import DEFAULT_TEMPLATE, LabelTexts, load_label_texts
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource

TASK = "classify-images"
_LOGITS = "logits"

_TRIAL_LABELS = ("a cat", "a dog")


def load_image_classifier(source: ModelSource) -> LoadedTask:
    """Loads the model and classifies an image.

    Raises:
        PreconditionError: why it cannot be served.
    """
    config = with_type(read_json(source.folder / "config.json"))
    model = source.load(config)
    images = ImagePreparer(load_image_processor(source.folder), source.media_limits)
    texts = load_label_texts(source.folder, config, [spec.name for spec in model.inputs]) if compares(config) else None
    labels = () if texts else labels_of(with_timm_labels(config))
    made = ImageRequests(images, labels, _function(config, texts is not None, len(labels)), texts)
    return _loaded(model, model, made, config)


def _loaded(model: TensorModel, outputs: TensorModel, made: ImageRequests, config: Mapping[str, Any]) -> LoadedTask:
    """The task of a model, whose outputs may have other names than its own."""
    runs = StackedArrays(outputs, (_LOGITS,), made.sample)
    runs.trial()
    _check_labels(runs, made)
    facts = messages.ClassifyFacts(labels=made.labels, function=made.function, takes_images=True)
    return LoadedTask(model, config, {TASK: made.classify}, facts=facts.SerializeToString(), arrays=runs)


def _check_labels(runs: StackedArrays, made: ImageRequests) -> None:
    """Of a model with labels of its own.

    Raises:
        PreconditionError: it gives more values, or fewer, than its files name labels.
    """
    count = runs.run([made.sample(0)])[0][_LOGITS].size
    if made.labels and count != len(made.labels):
        raise PreconditionError(f"the model gives {count:,} values, and its files name {len(made.labels):,} labels")


def load_described_classifier(source: ModelSource) -> LoadedTask:
    """As `load_image_classifier`, of a graph that `panope.json` describes."""
    description = description_of(source.folder)
    model, outputs, images = load_graph(source, description)
    assert isinstance(description.output, LabelScores)  # as its task has it
    made = ImageRequests(images, description.labels, description.output.function, None)
    return _loaded(model, outputs, made, {})


def _function(config: Mapping[str, Any], open_labels: bool, labels: int) -> Function:
    """As transformers' pipelines choose it."""
    if open_labels:
        return "sigmoid" if sees_padding(config) else "softmax"
    return function_of(config, labels)


@dataclass(slots=True)
class ClassifyImagesJob(ArrayJob):
    """The labels of images."""

    items: Sequence[ArrayItem]
    labels: Sequence[str]
    function: Function
    top_k: int

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The highest scores first; of equal ones the label that comes first. Some graphs give more axes."""
        values = np.stack([row[_LOGITS].ravel() for row in rows])
        order, scores = best_of(values, self.function, self.top_k)
        message = messages.ClassifyImagesOutput(
            labels=self.labels,
            top_k=order.shape[1],
            label_ids=order.ravel().tolist(),
            scores=scores.ravel().tolist(),
        )
        return message.SerializeToString()


class ImageRequests:
    """Prepares requests to one model.

    Args:
        images: decodes and scales.
        labels: of the model; empty where the caller brings them.
        function: of the scores, unless a request says otherwise.
        texts: makes tokens of the caller's labels; None for a model with labels of its own.
    """

    def __init__(
        self, images: ImagePreparer, labels: Sequence[str], function: Function, texts: LabelTexts | None
    ) -> None:
        self.function = function
        self._images = images
        self.labels = labels
        self._texts = texts

    def sample(self, number: int) -> ArrayItem:
        """An image to try with, beside two labels where the model needs some."""
        item = self._images.sample(number)
        return item if self._texts is None else self._texts.beside(item, _TRIAL_LABELS, DEFAULT_TEMPLATE)

    def classify(self, data: bytes) -> ClassifyImagesJob:
        """A job of task `classify-images`."""
        message = messages.ClassifyImagesInput.FromString(data)
        function = function_asked(message.function, self.function)
        labels = self._labels_of(message)
        prepared = self._images.prepared(message.images, message.first_index)
        items = [each.item for each in prepared]
        if self._texts is not None:
            template = message.hypothesis_template or DEFAULT_TEMPLATE
            items = self._texts.beside_all(items, labels, template)
        top_k = top_k_asked(message.top_k if message.HasField("top_k") else None, len(labels))
        return ClassifyImagesJob(items, labels, function, top_k)

    def _labels_of(self, message: messages.ClassifyImagesInput) -> Sequence[str]:
        given = list(message.candidate_labels)
        if self._texts is None:
            if given:
                raise InvalidInputError.at(
                    "candidate_labels", "{field} are for models that compare images with texts, as CLIP does"
                )
            if message.hypothesis_template:
                raise InvalidInputError.at("hypothesis_template", "{field} goes with `candidate_labels` alone")
            return self.labels
        if not given:
            raise InvalidInputError.at(
                "candidate_labels", "{field} is empty; this model compares images with texts, so give some"
            )
        return given
