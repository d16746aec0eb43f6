"""One text on its way through a voice: a sentence each step."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.media.audio_writer import AudioWriter
from panope_backends.tasks.speak.sentences import sentences_of
from panope_backends.tasks.speak.voice import Voice
from panope_backends.tasks.task import DeviceJob, Job

#: Of one part of an answer.
_PIECE_BYTES = 1 << 20

_UNSUPPORTED = "unsupported_field"


@dataclass(frozen=True)
class SpeakRequests:
    """What makes jobs for one voice.

    Attributes:
        voice: that speaks.
    """

    voice: Voice

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.SpeakInput.FromString(data)
        names = self.voice.names
        chosen = message.voice or names[0]
        if chosen not in names:
            raise InvalidInputError.at(
                "voice",
                "{field} is none of the model's: {known}",
                known=", ".join(names[:20]) + (" …" if len(names) > 20 else ""),
            )
        self._check(message)
        tokens = list(self._tokens(message))
        if not tokens:
            raise InvalidInputError.at("text", "{field} has no character that the model speaks")
        return SpeakJob(self.voice, tokens, names.index(chosen), message)

    def _tokens(self, message: messages.SpeakInput) -> Iterator[NDArray[np.int64]]:
        for sentence in sentences_of(message.text):
            tokens = self.voice.tokens(sentence, is_ipa=message.is_ipa)
            if tokens.size:
                yield tokens

    def _check(self, message: messages.SpeakInput) -> None:
        voice = self.voice
        for field, is_given, why in (
            ("input_format", message.is_ipa and not voice.takes_phonemes, "the model speaks characters, not phonemes"),
            (
                "seed",
                message.HasField("seed") and not voice.takes_seeds,
                "the model's graph draws its noise by itself, so that no seed reaches it",
            ),
            ("speed", message.speed != 1 and not voice.takes_speed, "the model speaks at one speed"),
        ):
            if is_given:
                raise InvalidInputError.at(field, "{field}: " + why, reason=_UNSUPPORTED)


class SpeakJob(DeviceJob):
    """One text; each step speaks a sentence, and the last ones tell what is left of the file.

    Args:
        voice: that speaks.
        tokens: of each sentence.
        place: of the voice among the model's.
        message: what was asked for.
    """

    def __init__(
        self, voice: Voice, tokens: Sequence[NDArray[np.int64]], place: int, message: messages.SpeakInput
    ) -> None:
        self._voice, self._tokens, self._place, self._message = voice, list(tokens), place, message
        self._seed = message.seed if message.HasField("seed") else secrets.randbits(63)
        self._writer = AudioWriter(message.format, voice.rate, stream=message.stream)
        self._rest: bytes | None = None

    def step(self) -> tuple[bytes, bool]:
        """The next piece of the file, and whether it is the last."""
        made, before = b"", self._writer.seconds
        if self._rest is None:
            asked = self._message
            samples = self._voice.speak(self._tokens.pop(0), self._place, asked.speed, self._seed)
            made = self._writer.write(samples)
            if not self._tokens:
                self._rest = made + self._writer.finish()
        if self._rest is not None:
            made, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
        seconds = self._writer.seconds - before
        output = messages.SpeakOutput(audio=made, seconds=seconds, sample_rate=self._writer.rate)
        return output.SerializeToString(), self._rest == b""
