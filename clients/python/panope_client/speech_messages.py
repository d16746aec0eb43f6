"""Requests to transcribe speech, from arguments."""

from __future__ import annotations

from typing import TypedDict

from panope.v1 import media_pb2, speech_service_pb2
from panope_client.arguments import check_options, request_of


class TranscribeOptions(TypedDict, total=False):
    """How audio is transcribed; what is left out is the model's own.

    Attributes:
        language: that is spoken, as a code such as `en`; the one that the model hears by default.
        translate: whether English is written, whatever is spoken.
        prompt: what was said before, or names as they are written.
        temperature: from 0, which takes the likeliest token each time, to 1.
        seed: draws the same tokens each time, at a temperature above 0.
        timestamps: whether audio of up to 30 seconds is parted into segments with times; longer audio always is.
        vad: whether silence is left out before anything is transcribed; by default where the server has the detector.
        vad_options: what counts as speech.
    """

    language: str
    translate: bool
    prompt: str
    temperature: float
    seed: int | None
    timestamps: bool
    vad: bool | None
    vad_options: speech_service_pb2.VadOptions | None


def transcribe_request(audio: bytes, model: str, options: TranscribeOptions) -> speech_service_pb2.TranscribeRequest:
    """Makes the request to transcribe audio.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, TranscribeOptions)
    return request_of(
        speech_service_pb2.TranscribeRequest,
        model=model,
        audio=request_of(media_pb2.Audio, content=audio),
        options=request_of(speech_service_pb2.TranscriptionOptions, **options),
    )
