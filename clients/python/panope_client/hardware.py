"""On what hardware calls run, for a block of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from panope_client.errors import InvalidArgumentError

HEADER = "x-panope-hardware"

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MOST = 16

_asked: ContextVar[tuple[str, ...]] = ContextVar("hardware", default=())


@contextmanager
def on_hardware(*names: str) -> Iterator[None]:
    """Within it, calls of all clients in this task or thread run on one of these backends, or are refused.

    Args:
        names: of backends, the most wanted first, such as `openvino`, or words such as `cuda`; `any` at the end takes
            what there is. None of them leaves it to the server, also inside another block.

    Raises:
        InvalidArgumentError: what is no name, or too many.
    """
    given: tuple[object, ...] = names
    if len(given) > _MOST or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in given):
        raise InvalidArgumentError(f"`names` must be at most {_MOST} names of backends", field="names")
    token = _asked.set(names)
    try:
        yield
    finally:
        _asked.reset(token)


def hardware_metadata() -> tuple[tuple[str, str], ...]:
    """The metadata by which a call asks now; none where nothing is asked."""
    return ((HEADER, ",".join(_asked.get())),) if _asked.get() else ()
