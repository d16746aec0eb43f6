"""Every task that takes a file tells where it is, if it is elsewhere: none is run on a URL that nobody fetched."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import get_type_hints

import pytest

from panope_backends.errors import InternalError
from panope_server.tasks.catalog import AnyTask, tasks
from panope_server.tasks.task import Task
from panope_server.tasks.vision.images import Image, image_messages


def takes_files(task: AnyTask) -> bool:
    if not is_dataclass(task.input_type):
        return False
    hints = get_type_hints(task.input_type)
    names = [field.name for field in fields(task.input_type)]
    return "audio" in names or any("Image" in str(hints[name]) or "Document" in str(hints[name]) for name in names)


@pytest.mark.parametrize("task", [task for task in tasks() if takes_files(task)], ids=lambda task: task.name)
def test_a_task_that_takes_files_tells_those_that_are_elsewhere(task: AnyTask) -> None:
    assert type(task).links is not Task.links


def test_an_image_that_nobody_fetched_never_reaches_a_worker() -> None:
    with pytest.raises(InternalError, match="not fetched"):
        image_messages([Image(url="https://a.example/i.png")])
