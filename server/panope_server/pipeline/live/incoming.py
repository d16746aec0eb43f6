"""Audio that comes piece by piece, kept until it is transcribed; nobody reads on while too much is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from panope_server.pipeline.live.pcm import Pcm

#: That is kept at most: an utterance and as much again, which comes while it is transcribed.
_KEPT_SECONDS = 60.0
#: Between two looks, at least.
_LOOK_SECONDS = 0.3


class Incoming:
    """The audio of one stream from where it was last cut; a task of its own reads it.

    Args:
        pieces: of the stream, up to its end.
        pcm: how its samples are written.
    """

    def __init__(self, pieces: AsyncIterator[bytes], pcm: Pcm) -> None:
        self._pieces = pieces
        self._pcm = pcm
        self._kept = bytearray()
        self._cut = 0
        self._most = pcm.bytes_of(_KEPT_SECONDS)
        self._changed = asyncio.Condition()
        self._has_ended = False
        self._failure: Exception | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Incoming:
        """Begins to read."""
        self._reading = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Reads no more."""
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait([self._reading])

    @property
    def seconds(self) -> float:
        """That are kept."""
        return self._pcm.seconds_of(len(self._kept))

    @property
    def start(self) -> float:
        """Of what is kept, in seconds from the start of the stream."""
        return self._pcm.seconds_of(self._cut)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self._has_ended

    async def reached(self, end: float) -> None:
        """Returns when audio up to a moment of the stream has come, as much is kept as may be, or no more comes.

        Raises:
            Exception: why no more comes, where the stream broke.
        """
        wanted = min(self._pcm.bytes_of(end) - self._cut, self._most)
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_ended or len(self._kept) >= wanted)
        if self._failure is not None:
            raise self._failure

    def wav(self, start: float, end: float) -> bytes:
        """What is kept between two moments, as seconds of it."""
        return self._pcm.wav(self._kept[self._pcm.bytes_of(max(0.0, start)) : self._pcm.bytes_of(end)])

    async def cut(self, seconds: float) -> None:
        """Forgets so much of what is kept."""
        size = min(len(self._kept), self._pcm.bytes_of(max(0.0, seconds)))
        async with self._changed:
            del self._kept[:size]
            self._cut += size
            self._changed.notify_all()

    async def _read(self) -> None:
        try:
            async for piece in self._pieces:
                async with self._changed:
                    await self._changed.wait_for(lambda: len(self._kept) < self._most)
                    self._kept += piece
                    self._changed.notify_all()
        except Exception as error:  # told to whoever waits for more
            self._failure = error
        async with self._changed:
            # Half of a sample at the end is none.
            del self._kept[len(self._kept) // self._pcm.sample_bytes * self._pcm.sample_bytes :]
            self._has_ended = True
            self._changed.notify_all()


async def looks(audio: Incoming) -> AsyncIterator[tuple[float, bool]]:
    """Each time that there is more to look at: the seconds that are kept then, and whether no more comes.

    What came while the last was looked at is told without waiting for more. Whoever looks cuts what it needs no more.
    """
    looked = 0.0
    while True:
        await audio.reached(looked + _LOOK_SECONDS)
        is_last, seconds = audio.has_ended, audio.seconds
        looked = audio.start + seconds
        yield seconds, is_last
        if is_last:
            return
