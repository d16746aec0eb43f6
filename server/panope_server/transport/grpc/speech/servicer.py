"""SpeechService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import grpc

from panope.v1 import speech_service_pb2 as pb
from panope.v1 import speech_service_pb2_grpc as pb_grpc
from panope.v1.media_pb2 import Audio
from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.pipeline.live.detection import LiveDetection
from panope_server.pipeline.live.transcription import LiveTranscription
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput
from panope_server.tasks.speech.speak import AudioFormat, InputFormat, SpeakInput, SpeakOutput
from panope_server.tasks.speech.transcribe import TRANSCRIBE, TranscribeInput, TranscribeOutput, TranscriptSegment
from panope_server.tasks.speech.vad import FIELD, OF_DETECTION, VadOptions
from panope_server.tasks.task import Input, Output
from panope_server.transport.grpc.audio import audio_url
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.grpc.speech.live import (
    audio_of,
    detection_options,
    first_config,
    live_options,
    live_response,
    part_response,
    vad_options,
)
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services

_FORMATS: Mapping[int, AudioFormat] = {
    pb.AUDIO_FORMAT_UNSPECIFIED: "wav",
    pb.AUDIO_FORMAT_WAV: "wav",
    pb.AUDIO_FORMAT_PCM: "pcm",
    pb.AUDIO_FORMAT_MP3: "mp3",
    pb.AUDIO_FORMAT_FLAC: "flac",
    pb.AUDIO_FORMAT_OPUS: "opus",
    pb.AUDIO_FORMAT_AAC: "aac",
}

_INPUT_FORMATS: Mapping[int, InputFormat] = {
    pb.SPEECH_INPUT_FORMAT_UNSPECIFIED: "text",
    pb.SPEECH_INPUT_FORMAT_TEXT: "text",
    pb.SPEECH_INPUT_FORMAT_IPA: "ipa",
}

_OPTIONS = ("language", "translate", "prompt", "temperature", "seed", "timestamps", "vad", "vad_options", "words")


#: Of one message of a stream.
_PIECE_BYTES = 256 << 10


class SpeechServicer(pb_grpc.SpeechServiceServicer):
    """Serves panope.v1.SpeechService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_SpeechServiceServicer_to_server(cls(services.pipeline), server)

    async def Transcribe(self, request: pb.TranscribeRequest, context: Context) -> pb.TranscribeResponse:
        """Transcribes audio."""
        call = _call(context, request, "Transcribe", stream=False)
        try:
            answer = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(_field) from None
        assert isinstance(answer, TranscribeOutput)
        return pb.TranscribeResponse(
            model=call.model,
            text=answer.text,
            segments=map(segment_message, answer.segments),
            language=answer.language,
            duration_seconds=answer.duration,
            completion_tokens=answer.tokens,
        )

    async def StreamTranscribe(
        self, request: pb.StreamTranscribeRequest, context: Context
    ) -> AsyncIterator[pb.StreamTranscribeResponse]:
        """Transcribes audio, window by window."""
        call = _call(context, request.request, "StreamTranscribe", stream=True)
        try:
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, TranscribeOutput)
                    yield pb.StreamTranscribeResponse(
                        model=call.model,
                        segments=map(segment_message, part.segments),
                        language=part.language,
                        duration_seconds=part.duration,
                        completion_tokens=part.tokens,
                    )
        except CallerError as error:
            raise error.renamed(_field) from None

    async def LiveTranscribe(
        self, request_iterator: AsyncIterator[pb.LiveTranscribeRequest], context: Context
    ) -> AsyncIterator[pb.LiveTranscribeResponse]:
        """Transcribes speech while it is spoken."""
        config = (await first_config(request_iterator)).config
        model = ""

        async def run(task_input: Input) -> Output:
            nonlocal model
            call = _call_of(context, config.model, task_input, "LiveTranscribe")
            answer = await self._pipeline.run(call)
            model = call.model
            return answer

        try:
            live = LiveTranscription(run, live_options(config, _input_of(b"", config.options, stream=False)))
            await live.check()
            async for each in live.utterances(audio_of(request_iterator)):
                yield live_response(model, each, map(segment_message, each.output.segments))
        except CallerError as error:
            raise error.renamed(_live_field) from None

    async def DetectSpeech(self, request: pb.DetectSpeechRequest, context: Context) -> pb.DetectSpeechResponse:
        """Finds speech."""
        options = vad_options(request.vad_options, OF_DETECTION)
        task_input = DetectSpeechInput(request.audio.content, options, url=audio_url(request.audio))
        call = _call_of(context, request.model, task_input, "DetectSpeech")
        try:
            answer = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(_detection_field) from None
        assert isinstance(answer, DetectSpeechOutput)
        segments = [pb.SpeechSegment(start_seconds=each.start, end_seconds=each.end) for each in answer.parts]
        return pb.DetectSpeechResponse(model=call.model, segments=segments, duration_seconds=answer.duration)

    async def StreamDetectSpeech(
        self, request_iterator: AsyncIterator[pb.StreamDetectSpeechRequest], context: Context
    ) -> AsyncIterator[pb.StreamDetectSpeechResponse]:
        """Finds speech while it is spoken."""
        config = (await first_config(request_iterator)).config
        model = ""

        async def run(task_input: Input) -> Output:
            nonlocal model
            call = _call_of(context, config.model, task_input, "StreamDetectSpeech")
            answer = await self._pipeline.run(call)
            model = call.model
            return answer

        try:
            live = LiveDetection(run, detection_options(config))
            await live.check()
            async for each in live.parts(audio_of(request_iterator)):
                yield part_response(model, each)
        except CallerError as error:
            raise error.renamed(_live_detection_field) from None

    async def Speak(self, request: pb.SpeakRequest, context: Context) -> pb.SpeakResponse:
        """Speaks a text."""
        call = _speak_call(context, request, "Speak", stream=False)
        answer = await self._pipeline.run(call)
        assert isinstance(answer, SpeakOutput)
        return pb.SpeakResponse(
            model=call.model,
            audio=Audio(content=answer.audio),
            duration_seconds=answer.seconds,
            sample_rate=answer.sample_rate,
        )

    async def StreamSpeak(
        self, request: pb.StreamSpeakRequest, context: Context
    ) -> AsyncIterator[pb.StreamSpeakResponse]:
        """Speaks a text, sentence by sentence."""
        call = _speak_call(context, request.request, "StreamSpeak", stream=True)
        async with self._pipeline.stream(call) as parts:
            async for part in parts:
                assert isinstance(part, SpeakOutput)
                seconds = part.seconds
                for piece in _pieces(part.audio):
                    yield pb.StreamSpeakResponse(
                        model=call.model, audio=piece, duration_seconds=seconds, sample_rate=part.sample_rate
                    )
                    seconds = 0.0


def _speak_call(context: Context, request: pb.SpeakRequest, method: str, *, stream: bool) -> Call:
    task_input = SpeakInput(
        request.text,
        request.voice,
        known(_FORMATS, request.format, "format"),
        request.speed if request.HasField("speed") else 1.0,
        request.seed if request.HasField("seed") else None,
        stream,
        known(_INPUT_FORMATS, request.input_format, "input_format"),
    )
    model = named_model(request.model)
    return call_for(context, model=model, task_input=task_input, task="speak", interface=f"SpeechService/{method}")


def _call(context: Context, request: pb.TranscribeRequest, method: str, *, stream: bool) -> Call:
    task_input = _input_of(request.audio.content, request.options, stream=stream)
    task_input.url = audio_url(request.audio)
    return _call_of(context, request.model, task_input, method)


def _call_of(context: Context, model: str, task_input: Input, method: str) -> Call:
    """A call of a model that transcribes."""
    interface = f"SpeechService/{method}"
    return call_for(context, model=named_model(model), task_input=task_input, task=TRANSCRIBE, interface=interface)


def _input_of(audio: bytes, options: pb.TranscriptionOptions, *, stream: bool) -> TranscribeInput:
    return TranscribeInput(
        audio,
        options.language,
        options.translate,
        options.prompt,
        options.temperature,
        options.seed if options.HasField("seed") else None,
        options.timestamps,
        stream,
        options.vad if options.HasField("vad") else None,
        vad_options(options.vad_options, VadOptions()) if options.HasField("vad_options") else None,
        options.words,
    )


def _pieces(data: bytes) -> Iterator[bytes]:
    """In pieces of a bounded size; one that is empty for no data, which tells that something was spoken."""
    yield data[:_PIECE_BYTES]
    for start in range(_PIECE_BYTES, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


def segment_message(segment: TranscriptSegment) -> pb.TranscriptionSegment:
    """A segment."""
    return pb.TranscriptionSegment(
        index=segment.index,
        start_seconds=segment.start,
        end_seconds=segment.end,
        text=segment.text,
        token_ids=segment.token_ids,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        words=[
            pb.TranscriptionWord(text=word.text, start_seconds=word.start, end_seconds=word.end)
            for word in segment.words
        ],
    )


def _field(name: str) -> str:
    """What the request calls a field of the input."""
    return f"options.{name}" if name.partition(".")[0] in _OPTIONS else {"audio": "audio.content"}.get(name, name)


def _live_field(name: str) -> str:
    """As `_field`, on a stream whose first message has them."""
    return f"config.options.{name}" if name.partition(".")[0] in _OPTIONS else name


def _detection_field(name: str) -> str:
    """As `_field`, where speech is looked for."""
    return "audio.content" if name == "audio" else name


def _live_detection_field(name: str) -> str:
    """As `_detection_field`, on a stream whose first message has the options."""
    return f"config.{name}" if name.startswith(FIELD) else name
