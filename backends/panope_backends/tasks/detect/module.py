"""How `detect` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.decoders import BoxRows, CenterPoints, DistributionBoxes, Keypoints
from panope_backends.graphs.description import Description
from panope_backends.media.processors import load_image_processor
from panope_backends.model_facts.image_models import finds_one_by_one, finds_poses, finds_together, pads_to_square
from panope_backends.tasks.classify.files import labels_of
from panope_backends.tasks.detect.answers import detections_message
from panope_backends.tasks.detect.center_points import PointBoxes
from panope_backends.tasks.detect.decoding import Boxes, decode_boxes, decode_found
from panope_backends.tasks.detect.distribution_boxes import EdgeBoxes
from panope_backends.tasks.detect.points import PointPlaces
from panope_backends.tasks.detect.poses import THRESHOLD as _THRESHOLD_OF_POSES
from panope_backends.tasks.detect.poses import load_poses
from panope_backends.tasks.detect.rows import RowBoxes
from panope_backends.tasks.graphs.loading import description_of, is_described, load_graph
from panope_backends.tasks.images import ImagePreparer, Prepared
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.label_texts import PLACE, LabelTexts, load_label_texts
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource, TaskModule

_LOGITS, _BOXES = "logits", "pred_boxes"
_NUMBERS_OF_BOX = 4

#: Of one image; more than any detector of transformers has.
MAX_DETECTIONS = 1000

#: As transformers' pipelines have them: of a model's own labels, and of the caller's.
_THRESHOLD, _THRESHOLD_OF_TEXTS = 0.5, 0.1

_TRIAL_LABELS = ("a cat", "a small dog")

Decode = Callable[[Arrays, int, int, float], Boxes]
"""From what the model gives for an image, the image's width and height, and a score under which none is told."""


class DetectModule(TaskModule):
    """Loads a model that gives boxes with labels, its own or the caller's."""

    name = "detect"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and looks at an image."""
        if is_described(source.folder):
            return _load_graph(source)
        config = read_json(source.folder / "config.json")
        if finds_poses(config):
            return load_poses(source, config)
        model = source.load(config)
        images = ImagePreparer(load_image_processor(source.folder), source.media_limits)
        texts, labels = None, tuple[str, ...]()
        if finds_together(config) or finds_one_by_one(config):
            texts = load_label_texts(source.folder, config, [spec.name for spec in model.inputs])
        else:
            labels = labels_of(config)
        requests = DetectRequests(images, labels, texts, _decoder(config, len(labels)))
        runs = StackedArrays(model, (_LOGITS, _BOXES), requests.sample)
        runs.trial()
        _check_boxes(runs, requests)
        facts = messages.DetectFacts(labels=labels, reads_labels=texts is not None)
        return LoadedTask(model, config, {self.name: requests.detect}, facts=facts.SerializeToString(), arrays=runs)


def _check_boxes(runs: StackedArrays, requests: DetectRequests) -> None:
    """Some models of documents tell of corners in the place of centre and size.

    Raises:
        PreconditionError: this one does.
    """
    numbers = runs.run([requests.sample(0)])[0][_BOXES].shape[-1]
    if numbers != _NUMBERS_OF_BOX:
        raise PreconditionError(
            f"the model tells of each thing by {numbers:,} numbers, and boxes have {_NUMBERS_OF_BOX}"
        )


def _load_graph(source: ModelSource) -> LoadedTask:
    """Of a graph that `panope.json` describes."""
    description = description_of(source.folder)
    model, outputs, images = load_graph(source, description)
    decoder = graph_decoder(description)
    requests = DetectRequests(images, description.labels, None, decoder, decoder.points)
    runs = StackedArrays(outputs, decoder.outputs, requests.sample)
    runs.trial()
    facts = messages.DetectFacts(labels=description.labels).SerializeToString()
    return LoadedTask(model, {}, {DetectModule.name: requests.detect}, facts=facts, arrays=runs)


def graph_decoder(description: Description) -> PointBoxes | PointPlaces | RowBoxes | EdgeBoxes:
    """What decodes the outputs of a described graph."""
    width, height = description.input.width or 1, description.input.height or 1
    match description.output:
        case Keypoints() as output:
            return PointPlaces(output)
        case BoxRows() as output:
            return RowBoxes(output, len(description.labels), width, height)
        case DistributionBoxes() as output:
            return EdgeBoxes(output, height, width)
        case output:
            assert isinstance(output, CenterPoints)  # as its task has it
            return PointBoxes(output)


def _decoder(config: Mapping[str, Any], labels: int) -> Decode:
    if labels:
        return lambda row, width, height, _: decode_boxes(row[_LOGITS], row[_BOXES], labels, width, height)
    if pads_to_square(config):
        return lambda row, width, height, _: decode_found(row[_LOGITS], row[_BOXES], *[max(width, height)] * 2)
    return lambda row, width, height, _: decode_found(row[_LOGITS], row[_BOXES], width, height)


class DetectRequests:
    """Prepares requests to one model.

    Args:
        images: decodes and scales.
        labels: of the model; empty where the caller brings them.
        texts: makes tokens of the caller's labels; None for a model with labels of its own.
        decode: the model's answers.
        points: what the points of each thing are; empty where the model gives none.
    """

    def __init__(
        self,
        images: ImagePreparer,
        labels: Sequence[str],
        texts: LabelTexts | None,
        decode: Decode,
        points: Sequence[str] = (),
    ) -> None:
        self._images = images
        self._labels = labels
        self._texts = texts
        self._decode = decode
        self._points = points

    def sample(self, number: int) -> ArrayItem:
        """An image to try with, beside two labels where the model needs some."""
        item = self._images.sample(number)
        return item if self._texts is None else self._texts.beside(item, _TRIAL_LABELS, PLACE)

    def detect(self, data: bytes) -> DetectJob:
        """A job of task `detect`.

        Raises:
            InvalidInputError: an image or a label is wrong; labels that the model does not read, or none where it does.
        """
        message = messages.DetectInput.FromString(data)
        labels = list(message.candidate_labels)
        if self._texts is None and labels:
            raise InvalidInputError.at(
                "candidate_labels", "{field} are for models that look for what texts say, as OWL-ViT does"
            )
        if self._texts is not None and not labels:
            raise InvalidInputError.at(
                "candidate_labels", "{field} is empty; this model looks for what texts say, so give some"
            )
        if message.boxes:
            raise InvalidInputError.at(
                "boxes", "{field} are for models that look for the points of whoever stands in one, as VitPose does"
            )
        prepared = self._images.prepared(message.images, message.first_index)
        items = [each.item for each in prepared]
        usual = _THRESHOLD_OF_POSES if isinstance(self._decode, PointPlaces) else _THRESHOLD
        threshold = usual if self._texts is None else _THRESHOLD_OF_TEXTS
        if self._texts is not None:
            items = self._texts.beside_all(items, labels, PLACE)
        return DetectJob(
            items,
            prepared,
            labels or self._labels,
            message.threshold if message.HasField("threshold") else threshold,
            min(message.max_detections or MAX_DETECTIONS, MAX_DETECTIONS),
            self._decode,
            self._points,
        )


@dataclass(slots=True)
class DetectJob(ArrayJob):
    """What stands in images."""

    items: Sequence[ArrayItem]
    prepared: Sequence[Prepared]
    labels: Sequence[str]
    threshold: float
    most: int
    decode: Decode
    points: Sequence[str] = ()

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The boxes of each image, in its own pixels."""
        pairs = zip(self.prepared, rows, strict=True)
        return messages.DetectOutput(images=[self._detections(each, row) for each, row in pairs]).SerializeToString()

    def _detections(self, prepared: Prepared, row: Arrays) -> messages.Detections:
        kept = self.decode(row, prepared.width, prepared.height, self.threshold).over(self.threshold, self.most)
        return detections_message(prepared.width, prepared.height, kept, self.labels, self.points)
