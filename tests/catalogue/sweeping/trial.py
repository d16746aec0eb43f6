"""One class of one architecture: whether it is recognised, loads and serves, and what stands in the way."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from panope_backends.api import ModelFacts
from panope_backends.errors import PanopeError
from panope_backends.model_facts.image_models import writes_of_images
from panope_backends.testing.architectures import Entry, write_architecture
from panope_backends.worker.loading import ServedModel
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import inspect_files
from sweeping import captions, generation, images, speech, tables, texts, videos
from sweeping.library import Library
from sweeping.serving import loaded
from sweeping.support import said_by

Compare = Callable[[ServedModel, Library], str]

#: By a request that the loaded model answers; the first that it has counts.
COMPARISONS: Mapping[str, Compare] = {
    "classify-images": images.classify,
    "classify-video": videos.classify,
    "classify-audio": speech.classify,
    "classify": texts.classify,
    "token-classify": texts.token_classify,
    "question-answer": texts.question_answer,
    "table-question-answer": tables.question_answer,
    "fill-mask": texts.fill_mask,
    "generate": generation.generate,
    "detect": images.detect,
    "segment": images.segment,
    "depth": images.depth,
    "super-resolution": images.super_resolution,
    "transcribe": speech.transcribe,
    "speak": speech.speak,
}

_REASON_CHARACTERS = 200

#: Of a reason that sends its reader to a log, which nobody has: what the library said stands in its place.
_OF_THE_LOG = re.compile(r"the log has more")

#: What says nothing to a reader, and what stands for it.
_LEFT_OUT = (
    (re.compile(r"(?:in|for|of|at|from) (?<!\w)/[\w./-]+"), ""),  # the folder of this run
    (re.compile(r"https?://\S+"), ""),
    (re.compile(r"<class '[\w.]*?(\w+)'>"), r"`\1`"),
    (re.compile(r" (?:You can install (?:it|them)|Model type should be one of|Check out the instructions) .*"), ""),
    (re.compile(r"StrictDataclassClassValidationError: Class validation error for validator '\w+': "), ""),
    (re.compile(r"  +"), " "),
)


@dataclass
class Outcome:
    """What became of one class.

    Attributes:
        task: that the registry names for it; empty for none.
        recognised: whether it names one.
        loads: whether a worker loads it on the cpu backend.
        serves: whether its answers are the library's.
        reason: why not; empty where it serves.
    """

    task: str = ""
    recognised: bool = False
    loads: bool = False
    serves: bool = False
    reason: str = ""


def recognised_task(config: Mapping[str, Any]) -> str:
    """The task that the registry names for a folder with a configuration; empty for none, or a refusal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config))
        save_file({"weight": np.zeros(1, np.float32)}, folder / "model.safetensors")
        try:
            return inspect_files({file.path: file.source for file in list_folder(folder)}).task
        except PanopeError:
            return ""


def tried(entry: Entry, task: str, folder: Path) -> Outcome:
    """Makes a class's model and tries it, as far as it goes.

    Args:
        entry: the class.
        task: that the registry names for it.
        folder: for the model; empty.
    """
    outcome = Outcome(task, recognised=True)
    try:
        facts = write_architecture(folder, entry.model_type, entry.class_name, task)
    except Exception as error:  # of whatever kind a type's own code raises
        outcome.reason = f"no tiny model is made of it: {_told(error)}"
        return outcome
    level, *why = said_by("cpu", facts)
    if level == "none":
        outcome.reason = f"refused: {why[0]}"
        return outcome
    try:
        model = loaded(folder, task)
    except PanopeError as error:
        outcome.reason = f"refused: {_told(error)}"
        return outcome
    outcome.loads = True
    try:
        outcome.reason = _comparison(model, facts, task)(model, Library(folder, entry.class_name))
        outcome.serves = not outcome.reason
    except PanopeError as error:
        outcome.reason = f"does not answer: {_told(error)}"
    except Exception as error:  # of the library, or of a comparison that the class is not made for
        outcome.reason = f"is not compared: {_told(error)}"
    return outcome


def _comparison(model: ServedModel, facts: ModelFacts, task: str) -> Compare:
    if task == "embed":
        return images.embed if "embed-images" in model.requests and model.arrays is not None else texts.embed
    if task == "generate" and writes_of_images(facts.config):
        return captions.caption
    return next(compare for request, compare in COMPARISONS.items() if request in model.requests)


def _told(error: BaseException) -> str:
    """On one line: what is wrong, and what the library said of it, without what is of this machine or of this run."""
    text = getattr(error, "message", "") or f"{type(error).__name__}: {error}"
    cause = error.__cause__ or error.__context__
    if isinstance(error, PanopeError) and cause is not None and not isinstance(cause, PanopeError):
        said = f"{type(cause).__name__}: {cause}"
        text = said if _OF_THE_LOG.search(text) else f"{text} ({said})"
    return _short(" ".join(str(text).split()))


def _short(text: str) -> str:
    for pattern, instead in _LEFT_OUT:
        text = pattern.sub(instead, text)
    if len(text) > _REASON_CHARACTERS:
        text = text[:_REASON_CHARACTERS].rsplit(" ", 1)[0].rstrip(" ,.;:(") + " …"
    return text + ")" * (text.count("(") - text.count(")"))
