"""How `depth` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope.worker.v1 import depth_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.media.processors import load_image_processor
from panope_backends.tasks.depth.decoding import Decode, decoder_for, unit_of
from panope_backends.tasks.depth.maps import check_pixels, map_message
from panope_backends.tasks.images import ImagePreparer, Prepared
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource, TaskModule

_OUTPUT = "predicted_depth"


class DepthModule(TaskModule):
    """Loads a model that gives a map of depth."""

    name = "depth"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and looks at an image."""
        config = read_json(source.folder / "config.json")
        model = source.load(config)
        processor = load_image_processor(source.folder)
        images = ImagePreparer(processor, source.media_limits)
        requests = DepthRequests(images, decoder_for(config, processor.processor), unit_of(config))
        runs = StackedArrays(model, (_OUTPUT,), images.sample)
        runs.trial()
        return LoadedTask(model, config, {self.name: requests.depth}, arrays=runs)


class DepthRequests:
    """Prepares requests to one model.

    Args:
        images: decodes and scales.
        decode: the model's maps.
        unit: of their values.
    """

    def __init__(self, images: ImagePreparer, decode: Decode, unit: str) -> None:
        self._images = images
        self._decode = decode
        self._unit = unit

    def depth(self, data: bytes) -> DepthJob:
        """A job of task `depth`.

        Raises:
            InvalidInputError: an image is not read, or too large.
        """
        message = messages.DepthInput.FromString(data)
        prepared = self._images.prepared(message.images, message.first_index)
        for index, image in enumerate(prepared, message.first_index):
            check_pixels(image, float32=message.float32, field=f"images[{index}]")
        items = [each.item for each in prepared]
        return DepthJob(items, prepared, message.first_index, self._decode, self._unit, message.float32)


@dataclass(slots=True)
class DepthJob(ArrayJob):
    """The depth of images."""

    items: Sequence[ArrayItem]
    prepared: Sequence[Prepared]
    first_index: int
    decode: Decode
    unit: str
    float32: bool

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The map of each image, at its own size."""
        message = messages.DepthOutput()
        for index, (image, row) in enumerate(zip(self.prepared, rows, strict=True), self.first_index):
            values = self.decode(row[_OUTPUT], image.height, image.width)
            message.images.append(map_message(values, self.unit, float32=self.float32, field=f"images[{index}]"))
        return message.SerializeToString()
