"""Whatever a source does, the store has the file or does not."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from panope_backends.errors import AvailabilityError, DataLossError
from panope_registry.download import Downloader, ExpectedBlob, Stream
from panope_registry.store.store import Store

CONTENT = bytes(range(200))


@dataclass(frozen=True)
class Answer:
    """How a source answers once.

    Attributes:
        ignores_range: begins at 0.
        changed_at: the place of a byte that is another; None for none.
        extra: bytes after the end.
        stop: how many bytes come.
        tells_total: and what it tells differs from the truth by so much; None when it does not tell.
        fails: whether it ends in an error.
    """

    ignores_range: bool = False
    changed_at: int | None = None
    extra: int = 0
    stop: int = 1000
    tells_total: int | None = 0
    fails: bool = False


ANSWERS = st.builds(
    Answer,
    st.booleans(),
    st.none() | st.integers(0, len(CONTENT) - 1),
    st.sampled_from([0, 0, 0, 1, 50]),
    st.integers(0, 250) | st.just(1000),
    st.none() | st.sampled_from([0, 0, 0, 1, -1]),
    st.booleans(),
)


@dataclass(frozen=True)
class Sent:
    start: int
    total_bytes: int | None
    data: bytes
    fails: bool

    def chunks(self) -> Iterator[bytes]:
        for place in range(0, len(self.data), 37):
            yield self.data[place : place + 37]
        if self.fails:
            raise AvailabilityError("broken", reason="source_unavailable")


def _sent(answer: Answer, asked_from: int) -> Sent:
    data = bytearray(CONTENT + b"x" * answer.extra)
    if answer.changed_at is not None:
        data[answer.changed_at] ^= 1
    start = 0 if answer.ignores_range else asked_from
    total = None if answer.tells_total is None else len(CONTENT) + answer.tells_total
    return Sent(start, total, bytes(data[start : start + answer.stop]), answer.fails)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANSWERS, max_size=6), st.sampled_from(["sha256", "git"]))
@example([Answer(stop=0)] * 6, "sha256")
def test_an_honest_answer_after_any_others_gives_the_file_or_a_reason(
    make_time: Callable[[], Any], answers: list[Answer], known_by: str
) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    git_sha1 = hashlib.sha1(b"blob 200\0" + CONTENT).hexdigest()
    wanted = ExpectedBlob(sha256, None, 200) if known_by == "sha256" else ExpectedBlob(None, git_sha1, 200)
    left = list(answers)

    @contextmanager
    def open_at(start: int) -> Iterator[Stream]:
        assert 0 <= start < len(CONTENT)
        yield _sent(left.pop(0) if left else Answer(), start)

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        downloader = Downloader(store, free_space_floor_bytes=0, clock=make_time().clock)
        while True:
            is_honest = not left
            try:
                blob = downloader.fetch(wanted, open_at)
                break
            except (DataLossError, AvailabilityError):
                assert not is_honest, "an honest source was refused"
                assert not store.blob_path(sha256).exists()
        assert blob.sha256 == sha256
        assert [path.read_bytes() for path in store.blobs.rglob("*") if path.is_file()] == [CONTENT]
        assert list(store.downloads.iterdir()) == []
