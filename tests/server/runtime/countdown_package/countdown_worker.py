"""The worker's module of a task that Panope does not bring: it counts down, a part for each number."""

import struct

from panope_backends.errors import InternalError
from panope_backends.tasks.task import DeviceJob, LoadedTask, ModelSource, TaskModule


class Countdown(DeviceJob):
    def __init__(self, data: bytes) -> None:
        self.left, self.fails_at = struct.unpack("<qq", data)

    def step(self) -> tuple[bytes, bool]:
        self.left -= 1
        if self.left == self.fails_at:
            raise InternalError("the countdown was stopped")
        return struct.pack("<q", self.left), self.left == 0


class CountdownModule(TaskModule):
    name = "countdown"

    def load(self, source: ModelSource) -> LoadedTask:
        return LoadedTask(source.load({}), {}, {"countdown": Countdown})
