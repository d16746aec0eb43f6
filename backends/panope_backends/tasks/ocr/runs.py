"""Runs the graphs of a model that reads text: pages and lines of all requests, each kind in batches of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays, LoadedModel, TensorModel
from panope_backends.errors import PreconditionError
from panope_backends.graphs.ocr_description import OcrDescription, TextGraph, TextOrientation, TextRecognizer
from panope_backends.graphs.terms import FILE
from panope_backends.tasks.graphs.loading import NamedOutputs
from panope_backends.tasks.ocr.lines import filled
from panope_backends.tasks.ocr.page import Pixels
from panope_backends.tasks.stacked_arrays import PIXELS_OF_TOKEN
from panope_backends.tasks.task import ArrayItem, ArrayTask

DETECTOR, ORIENTATION, RECOGNIZER = "detector", "orientation", "recognizer"

#: Lines of one run: of more, what the recognizer gives would fill the memory, and nothing would be faster.
_MOST_LINES = 8

#: What a pixel of a line costs, in those of a page.
_COST_OF_LINE = 4

_WIDTH, _VALUES = "width", "values"
_CHANNELS = 3


class GraphSet(LoadedModel):
    """The loaded graphs, as one model.

    Args:
        graphs: by their names.
    """

    def __init__(self, graphs: Mapping[str, TensorModel]) -> None:
        self.graphs = dict(graphs)
        self.precision = self.graphs[RECOGNIZER].precision

    def close(self) -> None:
        """Closes all."""
        for graph in self.graphs.values():
            graph.close()


class OcrRuns(ArrayTask):
    """Runs what items hold: `detector` has a page, the others a line with its width.

    Args:
        graphs: loaded.
        description: of them.

    Raises:
        PreconditionError: a graph has other inputs and outputs than the description says.
    """

    def __init__(self, graphs: GraphSet, description: OcrDescription) -> None:
        self._description = description
        self._described = description.graphs
        self._graphs = {name: _with_names(graphs.graphs[name], graph, name) for name, graph in self._described.items()}
        self._inputs = {name: graph.inputs[0].name for name, graph in self._graphs.items()}
        self._norms = {
            name: (np.array(graph.mean, np.float32) * 255, np.array(graph.std, np.float32) * 255)
            for name, graph in self._described.items()
        }

    def run(self, items: Sequence[ArrayItem]) -> Sequence[Arrays]:
        """A map of a page, two values of a line's orientation, or the best of each column of a line."""
        name = next(each for each in items[0].arrays if each != _WIDTH)
        if name == DETECTOR:
            pages = self._given(name, [item.arrays[name] for item in items], None)
            return [{name: page.reshape(page.shape[-2:])} for page in pages]
        found: list[Arrays] = []
        for begin in range(0, len(items), _MOST_LINES):
            part = [item.arrays for item in items[begin : begin + _MOST_LINES]]
            values = self._given(name, [each[name] for each in part], [int(each[_WIDTH]) for each in part])
            found += [{name: value} for value in values] if name == ORIENTATION else _best_of(values)
        return found

    def sample(self, number: int) -> ArrayItem:
        """A page of noise, of a number."""
        unit = self._description.detector.multiple_of
        size = (-(-64 // unit) * unit, -(-96 // unit) * unit, _CHANNELS)
        pixels = np.random.default_rng(number).integers(0, 256, size, np.uint8)
        return page_item(pixels)

    def trial(self, classes: int) -> None:
        """Runs each graph once, so that a model that cannot answer is never called ready.

        Args:
            classes: values that the recognizer is to give for a column.

        Raises:
            PreconditionError: one gives something else than the steps that follow read.
        """
        page = self.sample(0)
        found = self.run([page])[0][DETECTOR]
        size = page.arrays[DETECTOR].shape[:2]
        if found.shape != size:
            raise _other(DETECTOR, f"{size[0]} × {size[1]}", found.shape)
        _check_parts(DETECTOR, found)
        self._try_line(RECOGNIZER, self._description.recognizer, classes)
        if (orientation := self._description.orientation) is not None:
            self._try_line(ORIENTATION, orientation, 2)

    def _try_line(self, name: str, described: TextOrientation | TextRecognizer, values: int) -> None:
        line = np.full((described.height, 2 * described.height, _CHANNELS), 255, np.uint8)
        width = max(described.width, line.shape[1])
        given = self._given(name, [filled(line, width)], [line.shape[1]])[0]
        axes = 2 if name == RECOGNIZER else 1
        if given.ndim != axes or given.shape[-1] != values or not given.size:
            raise _other(name, f"{'columns × ' if name == RECOGNIZER else ''}{values}", given.shape)
        _check_parts(name, given)

    def _given(self, name: str, pixels: Sequence[Pixels], widths: Sequence[int] | None) -> NDArray[np.float32]:
        values = np.stack(pixels).astype(np.float32)
        if self._described[name].colors == "BGR":
            values = values[..., ::-1]
        mean, std = self._norms[name]
        values = (values - mean) / std
        for row, width in enumerate(widths or ()):
            values[row, :, width:] = 0
        arrays = {self._inputs[name]: np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)}
        given: NDArray[np.float32] = self._graphs[name].run(arrays)[_VALUES]
        if len(given) != len(pixels):
            raise PreconditionError(f"the {name} gave answers to another number of items than it was given")
        return given


def page_item(pixels: Pixels) -> ArrayItem:
    """A page for the detector."""
    return ArrayItem({DETECTOR: pixels}, _tokens(pixels))


def line_item(name: str, pixels: Pixels, width: int) -> ArrayItem:
    """A line for one of the other graphs, filled up to a width."""
    made = filled(pixels, width)
    return ArrayItem({name: made, _WIDTH: np.array(pixels.shape[1])}, _tokens(made) * _COST_OF_LINE)


def _tokens(pixels: Pixels) -> int:
    count: int = pixels.shape[0] * pixels.shape[1]
    return max(1, count // PIXELS_OF_TOKEN)


def _best_of(values: NDArray[np.float32]) -> list[Arrays]:
    """Of each column its likeliest character: all values of a page's lines would fill the memory."""
    best, parts = values.argmax(axis=2).astype(np.int32), values.max(axis=2)
    return [{"best": each, "probabilities": part} for each, part in zip(best, parts, strict=True)]


def _with_names(graph: TensorModel, described: TextGraph, name: str) -> TensorModel:
    inputs = [spec.name for spec in graph.inputs]
    wanted = described.input or inputs[0]
    if inputs != [wanted]:
        raise PreconditionError(
            f"{FILE} has the input `{wanted}` of the {name}; the graph takes {', '.join(inputs)[:200]}"
        )
    shape = graph.inputs[0].shape
    if shape and (len(shape) != 4 or shape[1] not in (-1, _CHANNELS)):
        raise PreconditionError(f"the {name} takes no batch of images of three colours")
    outputs = [spec.name for spec in graph.outputs]
    if not described.output and len(outputs) > 1:
        raise PreconditionError(f"{FILE} names no output of the {name}, and the graph gives {', '.join(outputs)[:200]}")
    return NamedOutputs(graph, {_VALUES: described.output or outputs[0]})


def _check_parts(name: str, values: NDArray[Any]) -> None:
    # NaN is no part either.
    if not ((values >= -1e-3) & (values <= 1 + 1e-3)).all():
        raise PreconditionError(f"the {name} gives values that are no probabilities")


def _other(name: str, wanted: str, given: Sequence[int]) -> PreconditionError:
    told = " × ".join(map(str, given))
    return PreconditionError(f"the {name} gives {told} values for an item; {wanted} are read")
