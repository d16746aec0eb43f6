"""The keys of kept answers: a hash of everything that an answer depends on."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from panope_server.runtime.models.computation import Computation
from panope_server.tasks.task import Canonical

#: Raised when answers are kept in another form, or another way of computing them is known.
FORMAT = 1

#: From here on keys are made in a thread: hashing so much takes a millisecond.
LARGE_BYTES = 64 << 10
LARGE_ITEMS = 256

_ENCODER = msgspec.msgpack.Encoder()


def keys_of(canonical: Canonical, computation: Computation, scope: str, task: str, version: str) -> list[bytes]:
    """The key of the answer to each item, 32 bytes.

    Args:
        canonical: what is asked.
        computation: what answers.
        scope: among whom answers are shared, such as one caller's name; empty for all.
        task: its name.
        version: of the program that keeps them.
    """
    common = hashlib.sha256(_ENCODER.encode((FORMAT, version, computation, scope, task, canonical.options)))
    keys = []
    for item in canonical.items:
        whole = common.copy()
        whole.update(_ENCODER.encode(item))
        keys.append(whole.digest())
    return keys


async def make_keys(canonical: Canonical, computation: Computation, scope: str, task: str, version: str) -> list[bytes]:
    """As `keys_of`, in a thread where it takes long."""
    if canonical.size_bytes < LARGE_BYTES and len(canonical.items) < LARGE_ITEMS:
        return keys_of(canonical, computation, scope, task, version)
    return await asyncio.to_thread(keys_of, canonical, computation, scope, task, version)
