"""What a job is to do: an input of a task as JSON, with the files of its media beside."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from panope_registry.jobs.kinds import GENERATE_IMAGES, GENERATE_VIDEO
from panope_server.tasks.catalog import task_named
from panope_server.tasks.task import Input
from panope_server.tasks.vision.images import Image

KINDS: Mapping[str, str] = {"image-generation": GENERATE_IMAGES, "video-generation": GENERATE_VIDEO}
"""The kind of job by its task."""

FOR_EVER = -1.0
"""How long a model stays loaded, where that is for ever."""

_TASKS = {kind: task for task, kind in KINDS.items()}


def task_of_kind(kind: str) -> str:
    """The task that a kind of job runs."""
    return _TASKS[kind]


def split(task_input: Input) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The input's values, and the contents of its images by the names of their fields."""
    values: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, value in _fields_of(task_input):
        if isinstance(value, Image) and not value.url:
            files[name] = value.content or value.data_url.encode()
            values[name] = {"file": "content" if value.content else "data_url"}
        else:
            values[name] = msgspec.to_builtins(value)
    return values, files


def fingerprint(*described: Any, files: Mapping[str, bytes]) -> str:
    """The same for the same request alone; hashes its files."""
    digest = hashlib.sha256(msgspec.json.encode([*described, {name: len(files[name]) for name in files}]))
    for content in files.values():
        digest.update(content)
    return digest.hexdigest()


def _fields_of(task_input: Any) -> list[tuple[str, object]]:
    """The fields of an input, which are dataclasses all."""
    return [(field.name, getattr(task_input, field.name)) for field in dataclasses.fields(task_input)]


def joined(kind: str, values: Mapping[str, Any], folder: Path) -> Input:
    """The input again; reads files.

    Raises:
        OSError: one of them has gone.
    """
    task = task_named(task_of_kind(kind))
    assert task is not None, "the kinds are of tasks that there are"
    plain, images = dict(values), {}
    for name, value in values.items():
        if isinstance(value, Mapping) and "file" in value:
            content = (folder / name).read_bytes()
            images[name] = Image(content=content) if value["file"] == "content" else Image(data_url=content.decode())
            del plain[name]
    task_input: Input = msgspec.convert(plain, task.input_type)
    for name, image in images.items():
        setattr(task_input, name, image)
    return task_input


def file_names(values: Mapping[str, Any]) -> list[str]:
    """The names of the files that a job takes."""
    return [name for name, value in values.items() if isinstance(value, Mapping) and "file" in value]
