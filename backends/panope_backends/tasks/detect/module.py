"""How `detect` models are loaded, and which requests they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.media.processors import load_image_processor
from panope_backends.tasks.classify.files import labels_of
from panope_backends.tasks.detect.decoding import decode_boxes
from panope_backends.tasks.images import ImagePreparer, Prepared
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource, TaskModule

_LOGITS, _BOXES = "logits", "pred_boxes"

#: Of one image; more than any detector of transformers has.
MAX_DETECTIONS = 1000


class DetectModule(TaskModule):
    """Loads a model that gives boxes with labels."""

    name = "detect"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and looks at an image."""
        config = read_json(source.folder / "config.json")
        model = source.load(config)
        images = ImagePreparer(load_image_processor(source.folder), source.media_limits)
        labels = labels_of(config)
        runs = StackedArrays(model, (_LOGITS, _BOXES), images.sample)
        runs.trial()
        facts = messages.DetectFacts(labels=labels).SerializeToString()

        def detect(data: bytes) -> DetectJob:
            message = messages.DetectInput.FromString(data)
            prepared = images.prepared(message.images, message.first_index)
            most = message.max_detections or MAX_DETECTIONS
            items = [each.item for each in prepared]
            return DetectJob(items, prepared, labels, message.threshold, min(most, MAX_DETECTIONS))

        return LoadedTask(model, config, {self.name: detect}, facts=facts, arrays=runs)


@dataclass(slots=True)
class DetectJob(ArrayJob):
    """What stands in images."""

    items: Sequence[ArrayItem]
    prepared: Sequence[Prepared]
    labels: Sequence[str]
    threshold: float
    most: int

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The boxes of each image, in its own pixels."""
        pairs = zip(self.prepared, rows, strict=True)
        return messages.DetectOutput(images=[self._detections(each, row) for each, row in pairs]).SerializeToString()

    def _detections(self, prepared: Prepared, row: Arrays) -> messages.Detections:
        found = decode_boxes(row[_LOGITS], row[_BOXES], len(self.labels), prepared.width, prepared.height)
        kept = found.over(self.threshold, self.most)
        return messages.Detections(
            width=prepared.width,
            height=prepared.height,
            scores=kept.scores.tolist(),
            labels=[self.labels[index] for index in kept.labels],
            corners=kept.corners.ravel().tolist(),
        )
