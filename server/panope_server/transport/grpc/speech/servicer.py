"""SpeechService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import grpc

from panope.v1 import speech_service_pb2 as pb
from panope.v1 import speech_service_pb2_grpc as pb_grpc
from panope.v1.media_pb2 import Audio
from panope_server.pipeline.call import Call
from panope_server.pipeline.live.detection import LiveDetection
from panope_server.pipeline.live.transcription import LiveTranscription
from panope_server.tasks.speech.detect_speech import DetectSpeechInput, DetectSpeechOutput
from panope_server.tasks.speech.speak import AudioFormat, InputFormat, SpeakInput, SpeakOutput
from panope_server.tasks.speech.transcribe import TRANSCRIBE, TranscribeOutput
from panope_server.tasks.speech.vad import OF_DETECTION
from panope_server.tasks.task import Input, Output
from panope_server.transport.answers import answer_of, renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.fields import known, named_model
from panope_server.transport.grpc.sent_file import SentFile, sent_file
from panope_server.transport.grpc.speech.live import (
    audio_of,
    detection_options,
    first_config,
    live_options,
    live_response,
    part_response,
    vad_options,
)
from panope_server.transport.grpc.speech.messages import (
    LIVE_DETECTION_NAMES,
    LIVE_NAMES,
    names_of,
    segment_messages,
    transcribe_input,
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
        audio = sent_file(request.audio, "audio")
        task_input = transcribe_input(audio, request.options, stream=False)
        call = _call(context, request.model, task_input, "Transcribe")
        answer = await answer_of(self._pipeline, call, TranscribeOutput, names_of(audio))
        return pb.TranscribeResponse(
            model=call.model,
            text=answer.text,
            segments=segment_messages(answer.segments),
            language=answer.language,
            duration_seconds=answer.duration,
            completion_tokens=answer.tokens,
        )

    async def StreamTranscribe(
        self, request: pb.StreamTranscribeRequest, context: Context
    ) -> AsyncIterator[pb.StreamTranscribeResponse]:
        """Transcribes audio, window by window."""
        audio = sent_file(request.request.audio, "audio")
        task_input = transcribe_input(audio, request.request.options, stream=True)
        call = _call(context, request.request.model, task_input, "StreamTranscribe")
        with renaming(names_of(audio)):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, TranscribeOutput)
                    yield pb.StreamTranscribeResponse(
                        model=call.model,
                        segments=segment_messages(part.segments),
                        language=part.language,
                        duration_seconds=part.duration,
                        completion_tokens=part.tokens,
                    )

    async def LiveTranscribe(
        self, request_iterator: AsyncIterator[pb.LiveTranscribeRequest], context: Context
    ) -> AsyncIterator[pb.LiveTranscribeResponse]:
        """Transcribes speech while it is spoken."""
        config = (await first_config(request_iterator)).config
        run = _LiveRun(self._pipeline, context, config.model, "LiveTranscribe")
        with renaming(LIVE_NAMES):
            template = transcribe_input(SentFile(b"", "", "audio"), config.options, stream=False)
            live = LiveTranscription(run, live_options(config, template))
            await live.check()
            async for each in live.utterances(audio_of(request_iterator)):
                yield live_response(run.model, each, segment_messages(each.output.segments))

    async def DetectSpeech(self, request: pb.DetectSpeechRequest, context: Context) -> pb.DetectSpeechResponse:
        """Finds speech."""
        audio = sent_file(request.audio, "audio")
        options = vad_options(request.vad_options, OF_DETECTION)
        call = _call(context, request.model, DetectSpeechInput(audio.content, options, url=audio.url), "DetectSpeech")
        answer = await answer_of(self._pipeline, call, DetectSpeechOutput, FieldNames({"audio": audio.field}))
        segments = [pb.SpeechSegment(start_seconds=each.start, end_seconds=each.end) for each in answer.parts]
        return pb.DetectSpeechResponse(model=call.model, segments=segments, duration_seconds=answer.duration)

    async def StreamDetectSpeech(
        self, request_iterator: AsyncIterator[pb.StreamDetectSpeechRequest], context: Context
    ) -> AsyncIterator[pb.StreamDetectSpeechResponse]:
        """Finds speech while it is spoken."""
        config = (await first_config(request_iterator)).config
        run = _LiveRun(self._pipeline, context, config.model, "StreamDetectSpeech")
        with renaming(LIVE_DETECTION_NAMES):
            live = LiveDetection(run, detection_options(config))
            await live.check()
            async for each in live.parts(audio_of(request_iterator)):
                yield part_response(run.model, each)

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


class _LiveRun:
    """Runs the calls of a stream of audio, one after another.

    Args:
        pipeline: runs each.
        context: of the stream.
        asked: the model that it names.
        method: of the service.

    Attributes:
        model: that answered last.
    """

    def __init__(self, pipeline: Pipeline, context: Context, asked: str, method: str) -> None:
        self.model = ""
        self._pipeline, self._context, self._asked, self._method = pipeline, context, asked, method

    async def __call__(self, task_input: Input) -> Output:
        call = _call(self._context, self._asked, task_input, self._method)
        answer = await self._pipeline.run(call)
        self.model = call.model
        return answer


def _call(context: Context, model: str, task_input: Input, method: str) -> Call:
    """A call of a model that transcribes."""
    interface = f"SpeechService/{method}"
    return call_for(context, model=named_model(model), task_input=task_input, task=TRANSCRIBE, interface=interface)


def _pieces(data: bytes) -> Iterator[bytes]:
    """In pieces of a bounded size; one that is empty for no data, which tells that something was spoken."""
    yield data[:_PIECE_BYTES]
    for start in range(_PIECE_BYTES, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]
