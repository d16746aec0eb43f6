"""Answers the server's messages of task `detect-speech`; no device runs, so that no other request waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from panope.worker.v1.detect_speech_pb2 import DetectSpeechInput, DetectSpeechOutput, SpeechPart
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.voice_activity import RATE, VadOptions, padded, voice_detector
from panope_backends.tasks.task import Answered, Job, ModelSource, Prepare


def speech_detection(source: ModelSource) -> Mapping[str, Prepare]:
    """What a model of speech answers beside its own task.

    Args:
        source: of the model.
    """
    return {"detect-speech": DetectSpeechRequests(source.media_limits).prepare}


@dataclass(frozen=True)
class DetectSpeechRequests:
    """What answers requests.

    Attributes:
        limits: of audio.
    """

    limits: MediaLimits

    def prepare(self, data: bytes) -> Job:
        """The answer to a message.

        Raises:
            InvalidInputError: the audio cannot be read.
            PreconditionError: the detector is not installed.
        """
        message = DetectSpeechInput.FromString(data)
        detector = voice_detector()
        samples = decode_audio(message.audio, RATE, self.limits)
        options = VadOptions(message.threshold, message.min_silence, message.padding, message.min_speech)
        found = padded(detector.speech(samples, options), samples.size, options)
        parts = [SpeechPart(start=each.start / RATE, end=each.end / RATE) for each in found]
        return Answered(DetectSpeechOutput(parts=parts, duration=samples.size / RATE).SerializeToString())
