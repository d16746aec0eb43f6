"""How `ocr` models are loaded, and which requests they answer."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from panope.worker.v1 import ocr_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.ocr_description import OcrDescription, TextRecognizer
from panope_backends.graphs.terms import FILE
from panope_backends.media.limits import MediaLimits
from panope_backends.media.pdf.reader import PdfReader
from panope_backends.model_facts.image_models import reads_text
from panope_backends.tasks.graphs.loading import is_described, read_folder
from panope_backends.tasks.images import read_image
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.ocr.characters import characters_of
from panope_backends.tasks.ocr.documents import PdfPages
from panope_backends.tasks.ocr.job import NumberedPage, OcrJob, OcrOptions, Reader
from panope_backends.tasks.ocr.page import page_of
from panope_backends.tasks.ocr.runs import RECOGNIZER, GraphSet, OcrRuns
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule

#: As RapidOCR has it.
_THRESHOLD = 0.5

_UNSUPPORTED = "unsupported_field"


class OcrModule(TaskModule):
    """Loads the graphs of a model that reads text."""

    name = "ocr"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the graphs and runs each once; or what writes token by token."""
        if not is_described(source.folder):
            return self._load_writer(source)
        description = read_folder(source.folder)
        if not isinstance(description, OcrDescription):
            raise PreconditionError(f"{FILE} describes another task than `ocr`", reason="unsupported_model")
        with ExitStack() as loading:  # whatever goes wrong, the memory is free for the next candidate
            graphs: dict[str, TensorModel] = {}
            for name in description.graphs:
                graphs[name] = source.load({}, source.folder / name)
                loading.callback(graphs[name].close)
            model = GraphSet(graphs)
            runs = OcrRuns(model, description)
            recognizer: TextRecognizer = description.recognizer
            characters = characters_of(recognizer, graphs[RECOGNIZER].metadata)
            runs.trial(len(characters))
            loading.pop_all()
        requests = OcrRequests(Reader(description, characters), source.media_limits)
        return LoadedTask(model, {}, {self.name: requests.read}, arrays=runs, end=requests.close)

    def _load_writer(self, source: ModelSource) -> LoadedTask:
        config = read_json(source.folder / "config.json", missing_ok=True)
        if not reads_text(config):
            raise PreconditionError(
                f"models of the task `ocr` are graphs that a `{FILE}` describes, TrOCR and Donut",
                reason="unsupported_model",
            )
        from panope_backends.tasks.ocr.written.loading import load_writer  # graphs need nothing of it

        return load_writer(source, config, self.name)


class OcrRequests:
    """Prepares requests to one model.

    Args:
        reader: of the model.
        limits: that images must keep.
    """

    def __init__(self, reader: Reader, limits: MediaLimits) -> None:
        self._reader = reader
        self._limits = limits
        self._pdf = PdfReader(limits)

    def close(self) -> None:
        """Ends the processes that read PDF files."""
        self._pdf.close()

    def read(self, data: bytes) -> OcrJob:
        """A job of task `ocr`.

        Raises:
            InvalidInputError: an image or a document is not read.
        """
        message = messages.OcrInput.FromString(data)
        for name in ("prompt", "question", "max_tokens"):
            if getattr(message, name):
                raise InvalidInputError.at(
                    name, "{field} is for models that write token by token; this one finds lines", reason=_UNSUPPORTED
                )
        options = OcrOptions(message.threshold if message.HasField("threshold") else _THRESHOLD, message.words)
        fields = [f"images[{index}]" for index in range(message.first_index, message.first_index + len(message.images))]
        detector = self._reader.description.detector
        if message.HasField("document"):
            document = PdfPages(message.document, self._pdf, detector, words=options.words)
            return OcrJob(self._reader, document, options, document.close)
        pages = [
            NumberedPage(page_of(np.asarray(read_image(image, field, self._limits)), detector), field)
            for image, field in zip(message.images, fields, strict=True)
        ]
        return OcrJob(self._reader, [pages], options)
