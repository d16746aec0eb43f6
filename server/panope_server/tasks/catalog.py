"""Which tasks there are: Panope's own, and those that packages bring; and which of them an input is for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.access.scopes import ADMIN, ANY, INFER, RESOURCES
from panope_registry.names import shown
from panope_server.tasks.classify.task import ClassifyTask
from panope_server.tasks.embed.task import EmbedTask
from panope_server.tasks.fill_mask import FillMaskTask
from panope_server.tasks.generate.task import GenerateTask
from panope_server.tasks.question_answer import QuestionAnswerTask
from panope_server.tasks.rerank import RerankTask
from panope_server.tasks.speech.classify_audio import ClassifyAudioTask
from panope_server.tasks.speech.detect_speech import DetectSpeechTask
from panope_server.tasks.speech.speak import SpeakTask
from panope_server.tasks.speech.transcribe import TranscribeTask
from panope_server.tasks.table_question_answer import TableQuestionAnswerTask
from panope_server.tasks.task import Input, Request, Task
from panope_server.tasks.tensors import TensorTask
from panope_server.tasks.token_classify import TokenClassifyTask
from panope_server.tasks.tokenize import DetokenizeTask, TokenizeTask
from panope_server.tasks.value import ValueInput, ValueTask
from panope_server.tasks.vision.classify_images import ClassifyImagesTask
from panope_server.tasks.vision.classify_video import ClassifyVideoTask
from panope_server.tasks.vision.depth import DepthTask
from panope_server.tasks.vision.detect import DetectTask
from panope_server.tasks.vision.embed_images import EmbedImagesTask
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationTask
from panope_server.tasks.vision.image_generation import ImageGenerationTask
from panope_server.tasks.vision.ocr import OcrTask
from panope_server.tasks.vision.segment import SegmentTask
from panope_server.tasks.vision.super_resolution import SuperResolutionTask
from panope_server.tasks.vision.video_generation import VideoGenerationTask
from panope_server.tasks.zero_shot import ZeroShotTask

_log = structlog.get_logger("panope.tasks")

#: The group of entry points by which a package brings the server's side of a task; `panope.tasks` is the worker's.
GROUP = "panope.server_tasks"

AnyTask = Task[Any, Any]

#: Items that go to a worker as one request; tasks that can split larger inputs do. The worker makes tokens of one
#: request at a time, and a queue can let another call pass between two.
MAX_REQUEST_ITEMS = 32

_BY_NAME: dict[str, AnyTask] = {}
_BY_INPUT: dict[type[Input], AnyTask] = {}


def register(task: AnyTask) -> None:
    """Adds a task, in place of one of the same name."""
    _BY_NAME[task.name] = task
    _BY_INPUT[task.input_type] = task


for _kind in (
    *(EmbedTask, GenerateTask, ClassifyTask, TokenClassifyTask, ZeroShotTask, RerankTask),
    *(ClassifyImagesTask, DetectTask, EmbedImagesTask, SegmentTask, DepthTask, OcrTask, SuperResolutionTask),
    *(ImageGenerationTask, VideoGenerationTask, FrameInterpolationTask, ClassifyVideoTask),
    *(TranscribeTask, ClassifyAudioTask, DetectSpeechTask, SpeakTask),
    *(QuestionAnswerTask, TableQuestionAnswerTask, FillMaskTask),
    *(TensorTask, TokenizeTask, DetokenizeTask),
):
    register(_kind())
_BY_INPUT[ValueInput] = ValueTask()  # until it is read; nobody may ask for it by a name


def register_installed() -> None:
    """Registers the tasks of installed packages; one that cannot be used is logged and left out."""
    for point in entry_points(group=GROUP):
        try:
            _register_installed(point)
        except Exception as error:  # a package is other people's code; the server runs without it
            package = point.dist.name if point.dist else ""
            _log.error("task_registration_failed", task=point.name, package=package, exc_info=error)


def _register_installed(point: EntryPoint) -> None:
    kind = point.load()
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise PreconditionError(f"`{point.value}` is not a subclass of Task")
    known = _BY_NAME.get(point.name)
    if type(known) is kind:
        return  # by a package that is found twice on the path
    if known is not None:
        raise PreconditionError(f"there is a task `{point.name}` already")
    if kind.name != point.name:
        raise PreconditionError(f"`{point.value}` is the task `{kind.name}`, registered as `{point.name}`")
    if kind.input_type in _BY_INPUT:
        raise PreconditionError(f"`{point.value}` has the input type of another task")
    register(kind())


def task_of(task_input: Input) -> AnyTask:
    """The task that an input is for."""
    return _BY_INPUT[type(task_input)]


def task_named(name: str) -> AnyTask | None:
    """The task of a name; None when there is none."""
    return _BY_NAME.get(name)


def tasks() -> list[AnyTask]:
    """Every task, by name."""
    return [_BY_NAME[name] for name in sorted(_BY_NAME)]


def check_scopes(texts: Iterable[str]) -> None:
    """Refuses scopes of a resource that is neither a task here nor anything else: most are written wrong.

    Raises:
        InvalidInputError: one is.
    """
    known = {*_BY_NAME, *RESOURCES, INFER, ANY}
    for resource in (text.partition(":")[0] for text in texts if text != ADMIN):
        if resource not in known:
            close = difflib.get_close_matches(resource, known, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(sorted(known - {ANY}))}"
            raise InvalidInputError.at(
                "scopes",
                "{field} names `{name}`, which is no task and no resource; {hint}",
                name=shown(resource),
                hint=hint,
            )


def requests_of(task_input: Input, request_id: str = "") -> list[Request]:
    """An input on its way to a worker; a large one in several parts, so that it can be interrupted between them.

    Args:
        task_input: validated.
        request_id: of the call, for the log.

    Raises:
        InvalidInputError: it has a value that the message to a worker cannot hold.
    """
    task = task_of(task_input)
    try:
        return [_request(task, part) for part in task.split(task_input, MAX_REQUEST_ITEMS)]
    except (ValueError, TypeError) as error:  # protobuf's words are not for callers
        _log.warning("request_not_encoded", request_id=request_id, task=task.name, error=type(error).__name__)
        raise InvalidInputError("the request has a value outside the range of its field") from None


def _request(task: AnyTask, task_input: Input) -> Request:
    data = task.encode(task_input)
    items, size_bytes = task.cost(task_input, data)
    work = max(1, task.work(task_input, items, size_bytes))
    return Request(task.name, data, items, size_bytes, task.slots(task_input), work)
