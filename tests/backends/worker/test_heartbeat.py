"""What a worker says of itself each second, whatever its backend says of memory."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.api import PeerMemory
from panope_backends.worker.heartbeat import Heartbeat
from panope_backends.worker.progress import Busy


def heartbeat(device_memory: Any = lambda: None, peer_memory: Any = tuple) -> Heartbeat:
    idle = Busy([], 0.0)
    return Heartbeat(None, lambda: 0, lambda: idle, lambda: idle, lambda: None, device_memory, peer_memory)  # type: ignore[arg-type]  # sends nothing


def test_the_memory_of_all_its_processes_is_told() -> None:
    beat = heartbeat(lambda: 5, lambda: [PeerMemory(1 << 50, 7), PeerMemory(1 << 50)]).beat()
    assert beat.resident_bytes > 1 << 51
    assert (beat.device_memory_bytes, list(beat.peer_device_memory_bytes)) == (5, [7, 0])


@pytest.mark.parametrize("told", [-1, 1 << 64, "much", 1.5])
@pytest.mark.parametrize("of_peers", [False, True])
def test_what_a_backend_says_of_memory_never_ends_the_heartbeats(told: Any, of_peers: bool) -> None:
    made = heartbeat(lambda: 5 if of_peers else told, lambda: [PeerMemory(0, told)] if of_peers else [])
    for _ in range(2):
        beat = made.beat()
        assert (beat.device_memory_bytes, list(beat.peer_device_memory_bytes)) == (0, [])
        assert beat.resident_bytes > 1 << 20


def test_peers_that_are_none_do_not_either() -> None:
    assert heartbeat(peer_memory=lambda: [3]).beat().resident_bytes > 1 << 20
