"""What a job is to do: an input of a task as JSON, with the files of its media beside."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from panope_registry.jobs.kinds import GENERATE_IMAGES, GENERATE_VIDEO, INTERPOLATE_VIDEO
from panope_server.tasks.catalog import task_named
from panope_server.tasks.task import Input
from panope_server.tasks.vision.images import Image

KINDS: Mapping[str, str] = {
    "image-generation": GENERATE_IMAGES,
    "video-generation": GENERATE_VIDEO,
    "frame-interpolation": INTERPOLATE_VIDEO,
}
"""The kind of job by its task."""

FOR_EVER = -1.0
"""How long a model stays loaded, where that is for ever."""

_TASKS = {kind: task for task, kind in KINDS.items()}


def task_of_kind(kind: str) -> str:
    """The task that a kind of job runs."""
    return _TASKS[kind]


def split(task_input: Input) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The input's values, and the contents of its images and videos by the names of their fields."""
    values: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, value in _fields_of(task_input):
        if isinstance(value, Image) and not value.url:
            files[name] = value.content or value.data_url.encode()
            values[name] = {"file": "content" if value.content else "data_url"}
        elif isinstance(value, bytes) and value:
            files[name] = value
            values[name] = {"file": "bytes"}
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
    media = {name: _media(values[name]["file"], (folder / name).read_bytes()) for name in file_names(values)}
    plain = {name: value for name, value in values.items() if name not in media}
    required = {name: "" for name, value in media.items() if isinstance(value, bytes)}
    task_input: Input = msgspec.convert(plain | required, task.input_type)
    for name, value in media.items():
        setattr(task_input, name, value)
    return task_input


def _media(kind: str, content: bytes) -> Image | bytes:
    """What a file of an input is there, which `split` calls `kind`."""
    if kind == "bytes":
        return content
    return Image(content=content) if kind == "content" else Image(data_url=content.decode())


def file_names(values: Mapping[str, Any]) -> list[str]:
    """The names of the files that a job takes."""
    return [name for name, value in values.items() if isinstance(value, Mapping) and "file" in value]
