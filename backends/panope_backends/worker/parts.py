"""Parts of answers on their way out: as few frames as are not large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError, PanopeError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.worker.connection import Outbox
from panope_backends.worker.requests import failure_part

#: Parts that go out as one frame have about so many bytes together; larger ones go alone.
FRAME_BYTES = 1 << 20


def send_parts(outbox: Outbox, parts: Sequence[wire.Part], *, wait: bool) -> list[int]:
    """Sends parts in as few frames as are not large.

    Args:
        outbox: takes the frames.
        parts: in their order.
        wait: whether to wait for a server that does not read.

    Returns:
        The ids of those that were too long to send; they were told so, and their answers have ended.
    """
    return [part_id for frame in _frames(parts) for part_id in _send_frame(outbox, frame, wait=wait)]


def error_for_caller(error: Exception) -> PanopeError:
    """What a caller hears of an engine's failure."""
    if isinstance(error, PanopeError):
        return error
    if is_out_of_memory(error):
        return InternalError("the model needs more memory to run this than `workers.max_memory_bytes` leaves it")
    return InternalError("the model failed to run")


def _send_frame(outbox: Outbox, parts: Sequence[wire.Part], *, wait: bool) -> list[int]:
    try:
        outbox.send(wire.WorkerFrame(parts=parts), wait=wait)
    except PanopeError as error:  # a part that is so long has a frame of its own
        failures = [failure_part(part.id, error, part.timing) for part in parts]
        outbox.send(wire.WorkerFrame(parts=failures), wait=wait)
        return [part.id for part in parts]
    return []


def _frames(parts: Iterable[wire.Part]) -> Iterable[Sequence[wire.Part]]:
    """The parts in their order, those of small size together."""
    together: list[wire.Part] = []
    size = 0
    for part in parts:
        if together and size + len(part.output) > FRAME_BYTES:
            yield together
            together, size = [], 0
        together.append(part)
        size += len(part.output)
    if together:
        yield together
