"""How `speak` models are loaded, and which requests they answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.media.audio import Samples
from panope_backends.media.audio_writer import AudioWriter
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.speak.characters import CharacterReader
from panope_backends.tasks.speak.sentences import sentences_of
from panope_backends.tasks.task import DeviceJob, Job, LoadedTask, ModelSource, TaskModule

DEFAULT_VOICE = "default"
"""The name of a model's only voice."""

_WAVEFORM = "waveform"

#: Of one part of an answer.
_PIECE_BYTES = 1 << 20


class SpeakModule(TaskModule):
    """Loads a model that turns characters into a waveform."""

    name = "speak"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and speaks a character."""
        config = read_json(source.folder / "config.json")
        rate = config.get("sampling_rate", 16_000)  # the default of VitsConfig
        if type(rate) is not int or not 1_000 <= rate <= 192_000:
            raise PreconditionError("config.json has a `sampling_rate` that is none", reason="unsupported_model")
        model = source.load(config)
        try:
            reader = CharacterReader(source.folder)  # behind the engine, from which PyTorch would be hidden else
            speaker = Speaker(model, reader, rate, voices_of(config))
            speaker.speak(reader.tokens(reader.trial_text()), 0, 1.0, 0)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            model.close()
            raise
        facts = messages.SpeakFacts(voices=speaker.voices).SerializeToString()
        return LoadedTask(speaker.model, config, {self.name: speaker.prepare}, facts=facts)


def voices_of(config: Mapping[str, Any]) -> list[str]:
    """The names of a model's voices: numbers, where it has several."""
    count = config.get("num_speakers", 1)
    return [str(index) for index in range(count)] if type(count) is int and 1 < count <= 10_000 else [DEFAULT_VOICE]


class Speaker:
    """A loaded model, and what makes jobs for it.

    Args:
        model: to run.
        reader: makes its tokens.
        rate: of its samples, in a second.
        voices: that it has.
    """

    def __init__(self, model: TensorModel, reader: CharacterReader, rate: int, voices: Sequence[str]) -> None:
        self.model, self.rate, self.voices = model, rate, voices
        self._reader = reader

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.SpeakInput.FromString(data)
        voice = message.voice or self.voices[0]
        if voice not in self.voices:
            raise InvalidInputError.at(
                "voice",
                "{field} is none of the model's: {known}",
                known=", ".join(self.voices[:20]) + (" …" if len(self.voices) > 20 else ""),
            )
        found = [self._reader.tokens(sentence) for sentence in sentences_of(message.text)]
        tokens = [each for each in found if each.size]
        if not tokens:
            raise InvalidInputError.at("text", "{field} has no character that the model speaks")
        return SpeakJob(self, tokens, self.voices.index(voice), message)

    def speak(self, tokens: NDArray[np.int64], speaker: int, speed: float, seed: int) -> Samples:
        """The waveform of one sentence.

        Raises:
            InternalError: the model's answer is no waveform.
        """
        arrays: Arrays = {
            "input_ids": tokens,
            "speaker": np.array([speaker], np.int64),
            "speed": np.array([speed], np.float32),
            "seed": np.array([seed], np.int64),
        }
        samples: Samples = self.model.run(arrays)[_WAVEFORM][0]
        if not np.isfinite(samples).all():
            raise InternalError("the model gave values that are no numbers")
        return samples


class SpeakJob(DeviceJob):
    """One text; each step speaks a sentence, and the last ones tell what is left of the file.

    Args:
        speaker: of the model.
        tokens: of each sentence.
        voice: its place among the model's.
        message: what was asked for.
    """

    def __init__(
        self, speaker: Speaker, tokens: Sequence[NDArray[np.int64]], voice: int, message: messages.SpeakInput
    ) -> None:
        self._speaker, self._tokens, self._voice, self._message = speaker, list(tokens), voice, message
        self._seed = message.seed if message.HasField("seed") else secrets.randbits(63)
        self._writer = AudioWriter(message.format, speaker.rate, stream=message.stream)
        self._rest: bytes | None = None

    def step(self) -> tuple[bytes, bool]:
        """The next piece of the file, and whether it is the last."""
        made, seconds = b"", 0.0
        if self._rest is None:
            asked = self._message
            samples = self._speaker.speak(self._tokens.pop(0), self._voice, asked.speed, self._seed)
            made, seconds = self._writer.write(samples), samples.size / self._speaker.rate
            if not self._tokens:
                self._rest = made + self._writer.finish()
        if self._rest is not None:
            made, self._rest = self._rest[:_PIECE_BYTES], self._rest[_PIECE_BYTES:]
        output = messages.SpeakOutput(audio=made, seconds=seconds, sample_rate=self._writer.rate)
        return output.SerializeToString(), self._rest == b""
