"""Serves OpenAI's and Hugging Face's routes of speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import partial

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import speech_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import CallerError
from panope_server.pipeline.call import Call
from panope_server.tasks.speech.classify_audio import ClassifyAudioOutput
from panope_server.tasks.speech.detect_speech import DetectSpeechOutput
from panope_server.tasks.speech.speak import MEDIA_TYPES, SpeakInput, SpeakOutput
from panope_server.tasks.speech.transcribe import TRANSCRIBE, TranscribeOutput
from panope_server.tasks.speech.vad import FIELD
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for, metadata_of
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.json.events import EVENTS, error_fields, event, known_error
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import off_loop
from panope_server.transport.rest.json.responses import in_pieces, json_response, messages_of
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_labels import audio_labels, read_audio_labels
from panope_server.transport.rest.speech.fields import asked
from panope_server.transport.rest.speech.formats import Shown, recognition, usage_of, written
from panope_server.transport.rest.speech.multipart import read_form
from panope_server.transport.rest.speech.recognition import read_recognition
from panope_server.transport.rest.speech.speaking import read_speak, read_speech
from panope_server.transport.rest.speech.voice_activity import NUMBERS, read_voice_activity, voice_activity
from panope_server.transport.services import Services

#: Azure's clients say the version that they speak.
_NEUTRAL = ("api-version",)
_NAMES = FieldNames(
    {
        "audio": "file",
        "timestamps": "response_format",
        "words": "timestamp_granularities",
        "vad_options": "chunking_strategy",
        "vad_options.threshold": "chunking_strategy[threshold]",
        "vad_options.min_silence_seconds": "chunking_strategy[silence_duration_ms]",
        "vad_options.padding_seconds": "chunking_strategy[prefix_padding_ms]",
    }
)
_ACTIVITY_NAMES = FieldNames({"audio": "file"} | {f"{FIELD}.{name}": name for name in NUMBERS})
_LABELS_NAMES = FieldNames({"audio": "inputs", "function": "parameters.function_to_apply", "top_k": "parameters.top_k"})
_SPEECH_NAMES = FieldNames({"text": "input", "format": "response_format"})
_SPEAK_NAMES = FieldNames(
    {"text": "inputs"} | {name: f"parameters.{name}" for name in ("voice", "speed", "seed", "input_format")}
)


def _recognition_names(generation: str) -> FieldNames:
    """Hugging Face's names; `generation` is the one that the body has for how the text is generated."""
    return FieldNames(
        {
            "audio": "inputs",
            "timestamps": "parameters.return_timestamps",
            "words": "parameters.return_timestamps",
            "vad": "parameters.vad",
            "language": f"parameters.{generation}.language",
            "translate": f"parameters.{generation}.task",
            "temperature": f"parameters.{generation}.temperature",
        }
    )


_RECOGNITION_NAMES = _recognition_names("generation_parameters")
_RECOGNITION_NAMES_OF_KWARGS = _recognition_names("generate_kwargs")


class SpeechRestServicer(pb_grpc.SpeechServiceServicer):
    """Serves panope.rest.v1.SpeechService."""

    def __init__(self, pipeline: Pipeline, origins: Collection[str] = (), *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._origins = origins
        self._report_unknown = report_unknown

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        settings = services.settings
        report = settings.unknown_fields == "report"
        servicer = cls(services.pipeline, settings.cors_origins, report_unknown=report)
        pb_grpc.add_SpeechServiceServicer_to_server(servicer, server)

    async def CreateTranscription(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio."""
        async for message in self._written(request, context, "CreateTranscription", translate=False):
            yield message

    async def CreateTranslation(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio in English."""
        async for message in self._written(request, context, "CreateTranslation", translate=True):
            yield message

    async def RecognizeSpeech(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio, with the model of the body."""
        async for message in self._recognized("", request, context, "RecognizeSpeech"):
            yield message

    async def RecognizeSpeechModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio, with the model of the path."""
        async for message in self._recognized(request.model, request.body, context, "RecognizeSpeechModel"):
            yield message

    async def ClassifyAudio(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Classifies audio, with the model of the body."""
        async for message in self._labels("", request, context, "ClassifyAudio"):
            yield message

    async def ClassifyAudioModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Classifies audio, with the model of the path."""
        async for message in self._labels(request.model, request.body, context, "ClassifyAudioModel"):
            yield message

    async def _labels(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        unknown = unknown_of(context, report=self._report_unknown)
        read = partial(read_audio_labels, from_page="origin" in metadata_of(context))
        task_input, body = await off_loop(len(request.data), read, request, unknown)
        call = call_with(
            body.options,
            context,
            model=model_of(body.model, path_model),
            task_input=task_input,
            task="classify",
            interface=f"SpeechService/{method}",
        )
        try:
            output = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(_LABELS_NAMES) from None
        assert isinstance(output, ClassifyAudioOutput)
        unknown.tell(context)
        for message in in_pieces(json_response(audio_labels(output))):
            yield message

    async def DetectVoiceActivity(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Finds speech."""
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, report=self._report_unknown)
        form = await off_loop(len(request.data), read_form, request)
        task_input, model = read_voice_activity(form, unknown)
        call = call_for(
            context, model=model, task_input=task_input, task=TRANSCRIBE, interface="SpeechService/DetectVoiceActivity"
        )
        try:
            output = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(_ACTIVITY_NAMES) from None
        assert isinstance(output, DetectSpeechOutput)
        unknown.tell(context)
        for message in in_pieces(json_response(voice_activity(call.model, output))):
            yield message

    async def CreateSpeech(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Speaks a text."""
        unknown = unknown_of(context, _NEUTRAL, report=self._report_unknown)
        task_input, model = await off_loop(len(request.data), read_speech, request, unknown)
        call = call_for(
            context, model=model, task_input=task_input, task="speak", interface="SpeechService/CreateSpeech"
        )
        async for message in self._spoken(call, task_input, unknown, context, _SPEECH_NAMES):
            yield message

    async def SpeakText(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Speaks a text, with the model of the body."""
        async for message in self._spoken_text("", request, context, "SpeakText"):
            yield message

    async def SpeakTextModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Speaks a text, with the model of the path."""
        async for message in self._spoken_text(request.model, request.body, context, "SpeakTextModel"):
            yield message

    async def _spoken_text(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        unknown = unknown_of(context, report=self._report_unknown)
        task_input, body = await off_loop(len(request.data), read_speak, request, unknown)
        model = model_of(body.model, path_model)
        interface = f"SpeechService/{method}"
        call = call_with(body.options, context, model=model, task_input=task_input, task="speak", interface=interface)
        async for message in self._spoken(call, task_input, unknown, context, _SPEAK_NAMES):
            yield message

    async def _spoken(
        self, call: Call, task_input: SpeakInput, unknown: UnknownFields, context: Context, names: FieldNames
    ) -> AsyncIterator[HttpBody]:
        """The audio file, as it is made; an error in the midst of it ends the answer as no good end does."""
        media_type = MEDIA_TYPES[task_input.format]
        try:
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, SpeakOutput)
                    for message in messages_of(media_type, part.audio):
                        if media_type:
                            unknown.tell(context)
                        media_type = ""
                        yield message
        except CallerError as error:
            raise error.renamed(names) from None

    async def _written(
        self, request: HttpBody, context: Context, method: str, *, translate: bool
    ) -> AsyncIterator[HttpBody]:
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, _NEUTRAL, report=self._report_unknown)
        form = await off_loop(len(request.data), read_form, request)
        wanted = asked(form, unknown, translate=translate)
        call = call_for(
            context,
            model=wanted.model,
            task_input=wanted.task_input,
            task="transcribe",
            interface=f"SpeechService/{method}",
        )
        if wanted.stream:
            unknown.tell(context)
            async for message in self._events(call):
                yield message
            return
        output = await self._whole(call, _NAMES)
        unknown.tell(context)
        shown = Shown(translate, wanted.task_input.temperature, segments=wanted.segments, words=wanted.task_input.words)
        answer = written(output, wanted.response_format, shown)
        for message in messages_of(*answer):
            yield message

    async def _recognized(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        unknown = unknown_of(context, report=self._report_unknown)
        from_page = "origin" in metadata_of(context)
        read = partial(read_recognition, from_page=from_page)
        task_input, body = await off_loop(len(request.data), read, request, unknown)
        call = call_with(
            body.options,
            context,
            model=model_of(body.model, path_model),
            task_input=task_input,
            task="transcribe",
            interface=f"SpeechService/{method}",
        )
        by_kwargs = body.parameters is not None and body.parameters.generate_kwargs is not None
        output = await self._whole(call, _RECOGNITION_NAMES_OF_KWARGS if by_kwargs else _RECOGNITION_NAMES)
        unknown.tell(context)
        for message in in_pieces(json_response(recognition(output, task_input))):
            yield message

    async def _whole(self, call: Call, names: FieldNames) -> TranscribeOutput:
        try:
            output = await self._pipeline.run(call)
        except CallerError as error:
            raise error.renamed(names) from None
        assert isinstance(output, TranscribeOutput)
        return output

    async def _events(self, call: Call) -> AsyncIterator[HttpBody]:
        """OpenAI's events: what there is more of the text, and at the end all of it."""
        text, seconds, begun = "", 0.0, False
        try:
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, TranscribeOutput)
                    seconds = part.duration
                    new = "".join(each.text for each in part.segments)
                    new = new if text else new.lstrip()
                    if not new:
                        continue
                    text += new
                    for message in messages_of("" if begun else EVENTS, _event("delta", delta=new)):
                        yield message
                    begun = True
            last = _event("done", text=text.strip(), usage=usage_of(seconds))
        except Exception as error:  # the boundary: whatever it is must not look like a good end
            known = error.renamed(_NAMES) if isinstance(error, CallerError) else error
            if not begun:
                raise known from None
            last = event({"error": error_fields(known_error(known))})
        for message in messages_of("" if begun else EVENTS, last):
            yield message


def _event(kind: str, **fields: object) -> bytes:
    return event({"type": f"transcript.text.{kind}", **fields})
