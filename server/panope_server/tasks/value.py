"""A JSON value that some task's input is made of, as long as nobody knows whose: the model decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import InternalError
from panope_server.config import Limits
from panope_server.tasks.task import Input, JsonForm, Output, Task
from panope_server.tasks.validation import check_length


@dataclass(slots=True)
class ValueInput(Input):
    """A value, for the model's own task or for the one that is named.

    Attributes:
        value: of JSON's own types.
        task: the name of the task; empty for the model's own.
        read: makes the task's input of a value in the task's form; InvalidInputError for one that does not fit.
    """

    value: object
    task: str
    read: Callable[[JsonForm[Any, Any], object], Input]


class ValueTask(Task[ValueInput, Output]):
    """Stands for the task while it is unknown: it counts nothing, and nothing of it reaches a worker."""

    name = "value"
    input_type = ValueInput

    def validate(self, task_input: ValueInput, limits: Limits) -> None:
        """Checks the name of the task; the value is checked once the task is known."""
        del limits
        check_length(task_input.task, "task")

    def encode(self, task_input: ValueInput) -> bytes:
        """Never asked for: the step ReadValue comes before."""
        raise InternalError("a value was not read")

    def decode(self, data: bytes) -> Output:
        """Never asked for, as `encode`."""
        raise InternalError("a value was not read")
