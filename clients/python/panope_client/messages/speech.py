"""Requests to transcribe speech and to speak, from arguments."""

from __future__ import annotations

from typing import Literal, TypedDict, get_args

from panope.v1 import classify_service_pb2, media_pb2, speech_service_pb2
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.classify import Function, function_of

AudioFormat = Literal["wav", "pcm", "mp3", "flac", "opus", "aac"]
"""A kind of audio file."""

InputFormat = Literal["text", "ipa"]
"""What a text is that is spoken: words, or phonemes."""


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
        words: whether `words` of each segment tell when they were said.
    """

    language: str
    translate: bool
    prompt: str
    temperature: float
    seed: int | None
    timestamps: bool
    vad: bool | None
    vad_options: speech_service_pb2.VadOptions | None
    words: bool


def transcribe_request(
    audio: bytes | str, model: str, options: TranscribeOptions
) -> speech_service_pb2.TranscribeRequest:
    """Makes the request to transcribe audio.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, TranscribeOptions)
    return request_of(
        speech_service_pb2.TranscribeRequest,
        model=model,
        audio=_audio(audio),
        options=request_of(speech_service_pb2.TranscriptionOptions, **options),
    )


class DetectSpeechOptions(TypedDict, total=False):
    """What counts as speech, as `VadOptions` has it; what is left out is silero-vad's default.

    Attributes:
        threshold: the probability from which a moment is speech, above 0 and below 1; 0.5 by default.
        min_silence_seconds: shorter silence does not part speech; 0.1 by default.
        min_speech_seconds: shorter speech is not told; 0.25 by default.
        padding_seconds: told before and after speech; 0 by default.
    """

    threshold: float | None
    min_silence_seconds: float | None
    min_speech_seconds: float | None
    padding_seconds: float | None


def detect_speech_request(
    audio: bytes | str, model: str, options: DetectSpeechOptions
) -> speech_service_pb2.DetectSpeechRequest:
    """Makes the request to find speech.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, DetectSpeechOptions)
    return request_of(
        speech_service_pb2.DetectSpeechRequest,
        model=model,
        audio=_audio(audio),
        vad_options=request_of(speech_service_pb2.VadOptions, **options),
    )


class ClassifyAudioOptions(TypedDict, total=False):
    """How to classify audio.

    Attributes:
        function: what makes scores of the model's values; as the model's files say by default.
        top_k: how many labels to tell; default all.
    """

    function: Function | None
    top_k: int | None


def classify_audio_request(
    audio: bytes | str, model: str, options: ClassifyAudioOptions
) -> classify_service_pb2.ClassifyAudioRequest:
    """Makes the request to classify audio.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, ClassifyAudioOptions)
    return request_of(
        classify_service_pb2.ClassifyAudioRequest,
        model=model,
        audio=_audio(audio),
        function=function_of(options.get("function")),
        top_k=options.get("top_k"),
    )


class SpeakOptions(TypedDict, total=False):
    """How a text is spoken; what is left out is the model's own.

    Attributes:
        voice: one of the model's: `default` for a model of one, or numbers from `0`.
        format: of the audio file; `wav` by default.
        speed: from 0.25 to 4; 1 for as fast as the model was trained to speak.
        seed: makes the same audio each time, below 2**63; not for graphs that draw their noise by themselves.
        input_format: `ipa` where the text is phonemes, for models that speak them; `text` by default.
    """

    voice: str
    format: AudioFormat
    speed: float | None
    seed: int | None
    input_format: InputFormat


def speak_request(text: str, model: str, options: SpeakOptions) -> speech_service_pb2.SpeakRequest:
    """Makes the request to speak a text.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, SpeakOptions)
    kind = options.get("format", "wav")
    if kind not in get_args(AudioFormat):
        raise InvalidArgumentError(f"`format` is one of {', '.join(get_args(AudioFormat))}", field="format")
    spoken = options.get("input_format", "text")
    if spoken not in get_args(InputFormat):
        raise InvalidArgumentError(f"`input_format` is one of {', '.join(get_args(InputFormat))}", field="input_format")
    number = speech_service_pb2.AudioFormat.Value(f"AUDIO_FORMAT_{str(kind).upper()}")
    return request_of(
        speech_service_pb2.SpeakRequest,
        model=model,
        text=text,
        voice=options.get("voice", ""),
        format=number,
        speed=options.get("speed"),
        seed=options.get("seed"),
        input_format=speech_service_pb2.SpeechInputFormat.Value(f"SPEECH_INPUT_FORMAT_{str(spoken).upper()}"),
    )


def _audio(audio: bytes | str) -> media_pb2.Audio:
    """A file, or where it is."""
    if isinstance(audio, str):
        return request_of(media_pb2.Audio, uri=audio)
    return request_of(media_pb2.Audio, content=audio)
