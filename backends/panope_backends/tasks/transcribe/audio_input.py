"""The audio of a call: decoded, without its silence, and with the times that the file has."""

from __future__ import annotations

from dataclasses import dataclass

from panope.worker.v1.transcribe_pb2 import TranscribeInput
from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import Samples, decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.voice_activity import RATE, VadOptions, has_voice_detector
from panope_backends.tasks.transcribe.speech_only import SpeechOnly, speech_only

UNSUPPORTED = "unsupported_field"
"""The reason of refusals of what the model, or the installation, has not."""


@dataclass(frozen=True)
class FileClock:
    """Times of the file that a call sent, from those of what of it is transcribed.

    Attributes:
        duration: of the file, in seconds.
        speech: what of it is transcribed; None for all.
    """

    duration: float
    speech: SpeechOnly | None = None

    def span(self, start: float, end: float) -> tuple[float, float]:
        """Where something starts and ends in the file."""
        if self.speech is not None:
            start, end = self.speech.start_of(start), self.speech.end_of(end)
        return min(self.duration, start), min(self.duration, max(start, end))


@dataclass(frozen=True)
class AudioInput:
    """What is transcribed of a file.

    Attributes:
        samples: empty where the file has no speech.
        clock: tells the times of the file.
    """

    samples: Samples
    clock: FileClock


def read_audio(message: TranscribeInput, rate: int, limits: MediaLimits) -> AudioInput:
    """Decodes the audio, and leaves silence out where this is asked for, or nothing is and the detector is installed.

    Args:
        message: of the call.
        rate: of the model's samples, in a second.
        limits: of audio.

    Raises:
        InvalidInputError: the audio cannot be read, or there is no detector.
    """
    samples = decode_audio(message.audio, rate, limits)
    duration = samples.size / rate
    if not _leaves_silence_out(message, rate):
        return AudioInput(samples, FileClock(duration))
    options = VadOptions(message.vad_threshold, message.vad_min_silence, message.vad_padding, message.vad_min_speech)
    speech = speech_only(samples, options)
    if speech is None:
        return AudioInput(samples[:0], FileClock(duration))
    return AudioInput(speech.samples, FileClock(duration, speech))


def _leaves_silence_out(message: TranscribeInput, rate: int) -> bool:
    can = rate == RATE and has_voice_detector()
    if not message.HasField("vad"):
        return can
    if message.vad and not can:
        raise InvalidInputError.at(
            "vad",
            "{field}: the detector of speech is not installed here; the extra `vad` brings it",
            reason=UNSUPPORTED,
        )
    return message.vad
