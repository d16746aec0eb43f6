"""How `super-resolution` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from panope.worker.v1 import super_resolution_pb2 as messages
from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.decoders import Pixels
from panope_backends.media.image_files import file_of
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import load_image_processor, trial_image
from panope_backends.tasks.graphs.loading import description_of, is_described, load_graph
from panope_backends.tasks.images import ImagePreparer, read_image
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.super_resolution.made_images import PIXELS, Form, MadeImages
from panope_backends.tasks.super_resolution.tiles import Tile, joined, tiles_of
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource, TaskModule

#: Of what is made of one image.
MAX_PIXELS = 1 << 24

#: A side of tiles of graphs that say nothing of it, and of Swin2SR, which takes some 13 kB for each pixel.
TILE, SWIN_TILE = 384, 256

#: Pixels that cost such a model about what a token does: it looks at each, where others look at patches.
_PIXELS_OF_TOKEN = 16

_OUTPUT = "reconstruction"
COLOURS = 3


class SuperResolutionModule(TaskModule):
    """Loads a model that makes images larger, or others of the same size."""

    name = "super-resolution"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model, and compares what it makes with the scale that its files say."""
        if is_described(source.folder):
            return _load_graph(source)
        config = read_json(source.folder / "config.json")
        model = source.load(config)
        images = ImagePreparer(load_image_processor(source.folder), source.media_limits)
        scale = config.get("upscale", 2)
        return _loaded(
            model, model, config, Enlarger(images, source.media_limits, scale, SWIN_TILE, SWIN_TILE), Form(_OUTPUT)
        )


def _load_graph(source: ModelSource) -> LoadedTask:
    """Of a graph that `panope.json` describes."""
    description = description_of(source.folder)
    model, outputs, images = load_graph(source, description)
    given, output = description.input, description.output
    assert isinstance(output, Pixels)  # as its task has it
    side = given.max_side or TILE
    enlarger = Enlarger(images, source.media_limits, output.scale, given.height or side, given.width or side)
    low, high = output.range
    form = Form("image", low, high, output.layout or given.layout, output.colors or given.colors)
    return _loaded(model, outputs, {}, enlarger, form)


def _loaded(
    model: TensorModel, outputs: TensorModel, config: Mapping[str, Any], enlarger: Enlarger, form: Form
) -> LoadedTask:
    runs = StackedArrays(outputs, (form.output,), enlarger.images.sample)
    runs.trial()
    made = MadeImages(runs, form)
    enlarger.check(made)
    return LoadedTask(model, config, {SuperResolutionModule.name: enlarger.enlarge}, arrays=made)


class Enlarger:
    """Prepares requests to one model.

    Args:
        images: makes arrays of tiles.
        limits: that images must keep.
        scale: how many times as wide and as high the model makes them.
        tile_height: the largest that it is given at once.
        tile_width: the same.
    """

    def __init__(
        self, images: ImagePreparer, limits: MediaLimits, scale: int, tile_height: int, tile_width: int
    ) -> None:
        self.images = images
        self._limits = limits
        self._scale = scale
        self._tile = tile_height, tile_width

    def check(self, made: MadeImages) -> None:
        """Runs an image of odd sides.

        Raises:
            PreconditionError: what the model makes is not as large as its files say.
        """
        height, width = (min(side, most) for side, most in zip((37, 50), self._tile, strict=True))
        image = trial_image().resize((width, height))
        item = self._item(image, "images[0]")
        sides = made.run([item])[0][PIXELS].shape[:2]
        seen = _seen(item)
        if any(given != side * self._scale for given, side in zip(sides, seen, strict=True)):
            raise PreconditionError(
                f"the model's files say that images become {self._scale} times as wide and high; it makes"
                f" {sides[1]} × {sides[0]} of {seen[1]} × {seen[0]}"
            )

    def enlarge(self, data: bytes) -> EnlargeJob:
        """A job of task `super-resolution`.

        Raises:
            InvalidInputError: an image is not read, or what would be made of it is too large.
        """
        message = messages.SuperResolutionInput.FromString(data)
        items: list[ArrayItem] = []
        cut: list[list[Tile]] = []
        for index, each in enumerate(message.images, message.first_index):
            field = f"images[{index}]"
            image = read_image(each, field, self._limits)
            self._check_size(image, field)
            tiles = tiles_of(image.height, image.width, *self._tile)
            items += [self._item(image.crop(tile.box), field) for tile in tiles]
            cut.append(tiles)
        return EnlargeJob(items, cut, self._scale, message.output_format)

    def _check_size(self, image: Image.Image, field: str) -> None:
        width, height = (side * self._scale for side in image.size)
        if width * height > MAX_PIXELS:
            raise InvalidInputError.at(
                field,
                "{field} has {from_width:,} × {from_height:,} pixels and would become {width:,} × {height:,}, {count:,}"
                " in all; the limit is {limit:,}",
                from_width=image.width,
                from_height=image.height,
                width=width,
                height=height,
                count=width * height,
                limit=MAX_PIXELS,
            )

    def _item(self, image: Image.Image, field: str) -> ArrayItem:
        item = self.images.item(image, field)
        return ArrayItem(item.arrays, max(1, image.width * image.height // _PIXELS_OF_TOKEN))


@dataclass(slots=True)
class EnlargeJob(ArrayJob):
    """Images made of others, tile by tile."""

    items: Sequence[ArrayItem]
    cut: Sequence[Sequence[Tile]]
    scale: int
    output_format: str

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """A file for each image."""
        message = messages.SuperResolutionOutput()
        made = iter(rows)
        for tiles in self.cut:
            pixels = joined(tiles, (next(made)[PIXELS] for _ in tiles), self.scale)
            height, width = pixels.shape[:2]
            message.images.add(width=width, height=height, content=file_of(pixels, self.output_format))
        return message.SerializeToString()


def _seen(item: ArrayItem) -> Sequence[int]:
    """The height and the width of what the model was given."""
    shape: tuple[int, ...] = next(iter(item.arrays.values())).shape
    return shape[1:] if shape[0] == COLOURS else shape[:2]
