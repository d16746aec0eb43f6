"""How `segment` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panope.worker.v1 import segment_pb2 as messages
from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InvalidInputError
from panope_backends.graphs.decoders import SalientMask
from panope_backends.media.processors import load_image_processor
from panope_backends.tasks.classify.files import labels_of
from panope_backends.tasks.graphs.loading import description_of, is_described, load_graph
from panope_backends.tasks.images import ImagePreparer, Prepared
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.segment.decoders import Asked, SegmentDecoder, decoder_for
from panope_backends.tasks.segment.masks import MaskOptions, segments_message
from panope_backends.tasks.segment.salient import SalientMap
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource, TaskModule

#: Of one image; more than any model of transformers tells.
MAX_SEGMENTS = 1000

#: Of an image: some values of each pixel are worked out for every label or mask.
MAX_PIXELS = 1 << 24


class SegmentModule(TaskModule):
    """Loads a model that gives masks with labels."""

    name = "segment"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and divides an image."""
        if is_described(source.folder):
            description = description_of(source.folder)
            model, outputs, images = load_graph(source, description)
            assert isinstance(description.output, SalientMask)  # as its task has it
            salient = SalientMap(stretched=description.output.scale == "min-max")
            requests = SegmentRequests(images, salient, tuple(description.labels))
            return _loaded(model, outputs, requests, {})
        config = read_json(source.folder / "config.json")
        model = source.load(config)
        images = ImagePreparer(load_image_processor(source.folder), source.media_limits)
        decoder = decoder_for(config, [spec.name for spec in model.outputs])
        return _loaded(model, model, SegmentRequests(images, decoder, labels_of(config)), config)


class SegmentRequests:
    """Prepares requests to one model.

    Args:
        images: decodes and scales.
        decoder: of the model's values.
        labels: of the model.
    """

    def __init__(self, images: ImagePreparer, decoder: SegmentDecoder, labels: tuple[str, ...]) -> None:
        self.images = images
        self.decoder = decoder
        self._labels = labels

    def segment(self, data: bytes) -> SegmentJob:
        """A job of task `segment`."""
        message = messages.SegmentInput.FromString(data)
        asked = self._asked(message)
        prepared = self.images.prepared(message.images, message.first_index)
        for index, image in enumerate(prepared, message.first_index):
            if image.width * image.height > MAX_PIXELS:
                raise InvalidInputError.at(
                    f"images[{index}]",
                    "{field} has {pixels:,} pixels; the limit of this task is {limit:,}",
                    pixels=image.width * image.height,
                    limit=MAX_PIXELS,
                )
        options = MaskOptions(min(message.max_segments or MAX_SEGMENTS, MAX_SEGMENTS), message.run_lengths)
        items = [each.item for each in prepared]
        return SegmentJob(items, prepared, message.first_index, self.decoder, asked, self._labels, options)

    def _asked(self, message: messages.SegmentInput) -> Asked:
        """What the caller wants, in so far as this model has something to do with it."""
        subtask = message.subtask or self.decoder.subtasks[0]
        if subtask not in self.decoder.subtasks:
            raise InvalidInputError.at(
                "subtask", "{field} must be one of {known} for this model", known=", ".join(self.decoder.subtasks)
            )
        set_fields = {field.name: value for field, value in message.ListFields()}
        given = {name: set_fields[name] for name in Asked.THRESHOLDS if name in set_fields}
        for name in given:
            if name not in self.decoder.thresholds(subtask):
                raise InvalidInputError.at(
                    name, "{field} changes nothing of {subtask} segments of this model; leave it out", subtask=subtask
                )
        return Asked(subtask, **given)


@dataclass(slots=True)
class SegmentJob(ArrayJob):
    """The segments of images."""

    items: Sequence[ArrayItem]
    prepared: Sequence[Prepared]
    first_index: int
    decoder: SegmentDecoder
    asked: Asked
    labels: tuple[str, ...]
    options: MaskOptions

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The masks of each image, at its own size."""
        message = messages.SegmentOutput()
        for index, (image, row) in enumerate(zip(self.prepared, rows, strict=True), self.first_index):
            found = self.decoder.decoded(row, image.height, image.width, self.asked)
            message.images.append(segments_message(found, self.labels, self.options, f"images[{index}]"))
        return message.SerializeToString()


def _loaded(
    model: TensorModel, outputs: TensorModel, requests: SegmentRequests, config: Mapping[str, Any]
) -> LoadedTask:
    """The task of a model, whose outputs may have other names than its own."""
    runs = StackedArrays(outputs, requests.decoder.outputs, requests.images.sample)
    runs.trial()
    return LoadedTask(model, config, {SegmentModule.name: requests.segment}, arrays=runs)
