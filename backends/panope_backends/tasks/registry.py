"""Finds a task's module by its name: Panope's own, and those that packages register by an entry point.

Only the module that is asked for is imported.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from panope_backends.errors import PreconditionError
from panope_backends.plugins import TASK_GROUP
from panope_backends.tasks.task import TaskModule

_BUILT_IN = {
    "": "panope_backends.tasks.tensors.module:TensorModule",
    "classify": "panope_backends.tasks.classify.module:ClassifyModule",
    "depth": "panope_backends.tasks.depth.module:DepthModule",
    "detect": "panope_backends.tasks.detect.module:DetectModule",
    "embed": "panope_backends.tasks.embed.module:EmbedModule",
    "fill-mask": "panope_backends.tasks.fill_mask.module:FillMaskModule",
    "frame-interpolation": "panope_backends.tasks.frame_interpolation.module:FrameInterpolationModule",
    "generate": "panope_backends.tasks.generate.module:GenerateModule",
    "image-generation": "panope_backends.tasks.image_generation.module:ImageGenerationModule",
    "ocr": "panope_backends.tasks.ocr.module:OcrModule",
    "question-answer": "panope_backends.tasks.question_answer.module:QuestionAnswerModule",
    "rerank": "panope_backends.tasks.classify.module:RerankModule",
    "segment": "panope_backends.tasks.segment.module:SegmentModule",
    "speak": "panope_backends.tasks.speak.module:SpeakModule",
    "super-resolution": "panope_backends.tasks.super_resolution.module:SuperResolutionModule",
    "table-question-answer": "panope_backends.tasks.table_question_answer.module:TableQuestionAnswerModule",
    "transcribe": "panope_backends.tasks.transcribe.module:TranscribeModule",
    "video-generation": "panope_backends.tasks.video_generation.module:VideoGenerationModule",
    "token-classify": "panope_backends.tasks.token_classify.module:TokenClassifyModule",
}


def known_tasks() -> list[str]:
    """The names of all tasks that a worker does, without importing them."""
    return sorted({name for name in _BUILT_IN if name} | {claim.name for claim in entry_points(group=TASK_GROUP)})


def find_task(name: str) -> TaskModule:
    """The module of a task.

    Args:
        name: of the task of a model; empty for models that tensors alone are run on.

    Raises:
        PreconditionError: there is none.
    """
    path = _BUILT_IN.get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        kind = getattr(importlib.import_module(module), attribute)
    else:
        claims = list(entry_points(group=TASK_GROUP, name=name))
        if not claims:
            raise PreconditionError(f"this worker does not do the task `{name}`")
        kind = claims[0].load()
    task = kind()
    if not isinstance(task, TaskModule):
        raise PreconditionError(f"what is registered for the task `{name}` is no task")
    return task
