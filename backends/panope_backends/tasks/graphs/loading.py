"""Loads a graph that `panope.json` describes, its outputs under the names that its decoder has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import PreconditionError
from panope_backends.graphs.decoders import Decoder, DistributionBoxes, Pixels
from panope_backends.graphs.description import AnyDescription, Description, read_description
from panope_backends.graphs.terms import FILE, DescriptionError
from panope_backends.tasks.graphs.forms import check_input, check_outputs
from panope_backends.tasks.graphs.pixels import PaddedPixels, PixelArrays
from panope_backends.tasks.images import ImagePreparer
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ModelSource

#: What decoders call the outputs that they read.
_OUTPUTS = ("logits", "mask", "heatmap", "sizes", "offsets", "landmarks", "keypoints", "boxes", "image")


def is_described(folder: Path) -> bool:
    """Whether a model's folder has such a file."""
    return (folder / FILE).is_file()


def description_of(folder: Path) -> Description:
    """What a model's folder says of its only graph.

    Raises:
        PreconditionError: it says what is not known here, or describes several.
    """
    found = read_folder(folder)
    if not isinstance(found, Description):
        raise PreconditionError(f"{FILE} describes a model of the task `{found.task}`", reason="unsupported_model")
    return found


def read_folder(folder: Path) -> AnyDescription:
    """What a model's folder says.

    Raises:
        PreconditionError: it says what is not known here.
    """
    try:
        return read_description(read_json(folder / FILE))
    except DescriptionError as error:
        raise PreconditionError(f"{FILE}: {error}") from None


def load_graph(source: ModelSource, description: Description) -> tuple[TensorModel, NamedOutputs, ImagePreparer]:
    """Loads the graph: as it is, with its outputs by the decoder's names, and what makes its inputs.

    Raises:
        PreconditionError: its inputs and outputs are not those that the description names, or of another shape.
    """
    model = source.load({})
    inputs = [spec.name for spec in model.inputs]
    name = description.input.name or inputs[0]
    if inputs != [name]:
        raise PreconditionError(f"{FILE} describes the input `{name}`; the graph takes {', '.join(inputs)[:200]}")
    check_input(description.input, model.inputs[0])
    kind = PaddedPixels if isinstance(description.output, Pixels) else PixelArrays
    images = ImagePreparer(kind(description.input, name), source.media_limits)
    outputs = NamedOutputs(model, _outputs(description.output, model))
    check_outputs(description, outputs.run_one(images.sample(0)))
    return model, outputs, images


class NamedOutputs(TensorModel):
    """A graph whose outputs have other names.

    Args:
        model: the graph; it stays the caller's to close.
        names: of the graph's outputs, by those that they have here.
    """

    def __init__(self, model: TensorModel, names: Mapping[str, str]) -> None:
        specs = {spec.name: spec for spec in model.outputs}
        if missing := [name for name in names.values() if name not in specs]:
            given = ", ".join(specs)[:200]
            raise PreconditionError(f"{FILE} names the output `{missing[0]}`; the graph gives {given}")
        self.precision = model.precision
        self.inputs = model.inputs
        self.outputs = [replace(specs[name], name=here) for here, name in names.items()]
        self._model = model
        self._names = names

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; raises as the graph does."""
        wanted = outputs or list(self._names)
        given = self._model.run(arrays, [self._names[name] for name in wanted])
        return {name: given[self._names[name]] for name in wanted}

    def run_one(self, item: ArrayItem) -> Arrays:
        """What the graph gives for one item, without the batch's axis; for looking at the form of its values."""
        (row,) = StackedArrays(self, list(self._names), lambda _: item).run([item])
        return row

    def close(self) -> None:
        """Leaves the graph to its owner."""


def _outputs(decoder: Decoder, model: TensorModel) -> Mapping[str, str]:
    """The graph's names of what the decoder reads; an empty one is the only output."""
    if isinstance(decoder, DistributionBoxes):
        return decoder.outputs
    named = {name: getattr(decoder, name) for name in _OUTPUTS if getattr(decoder, name, None) is not None}
    if not all(named.values()) and len(model.outputs) > 1:
        given = ", ".join(spec.name for spec in model.outputs)[:200]
        raise PreconditionError(f"{FILE} names no output, and the graph gives {given}")
    return {here: name or model.outputs[0].name for here, name in named.items()}
