"""Serves OpenAI's and Hugging Face's routes of speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from functools import partial

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import speech_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_server.pipeline.call import Call
from panope_server.tasks.speech.detect_speech import DetectSpeechOutput
from panope_server.tasks.speech.speak import MEDIA_TYPES, SpeakInput, SpeakOutput
from panope_server.tasks.speech.transcribe import TRANSCRIBE, TranscribeOutput
from panope_server.transport.answers import answer_of, renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for, metadata_of
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.forms.multipart import Form, read_form
from panope_server.transport.rest.forms.origins import refuse_other_origins
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.json.query import unknown_of
from panope_server.transport.rest.json.requests import off_loop
from panope_server.transport.rest.json.responses import in_pieces, json_response, messages_of
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_bodies import AudioRoute, InputT, OutputT, ParametersT
from panope_server.transport.rest.speech.audio_labels import AUDIO_LABELS
from panope_server.transport.rest.speech.fields import asked
from panope_server.transport.rest.speech.formats import Shown, written
from panope_server.transport.rest.speech.recognition import RECOGNITION
from panope_server.transport.rest.speech.speaking import read_speak, read_speech
from panope_server.transport.rest.speech.transcript_events import transcript_events
from panope_server.transport.rest.speech.voice_activity import read_voice_activity, voice_activity
from panope_server.transport.services import Services

#: Azure's clients say the version that they speak.
_NEUTRAL = ("api-version",)
_SPEECH_NAMES = FieldNames({"text": "input", "format": "response_format"})
_SPEAK_NAMES = FieldNames(
    {"text": "inputs"} | {name: f"parameters.{name}" for name in ("voice", "speed", "seed", "input_format")}
)


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

    async def DetectVoiceActivity(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Finds speech."""
        form, unknown = await self._form(request, context)
        given = read_voice_activity(form, unknown)
        interface = "SpeechService/DetectVoiceActivity"
        call = call_for(context, model=given.model, task_input=given.task_input, task=TRANSCRIBE, interface=interface)
        output = await answer_of(self._pipeline, call, DetectSpeechOutput, given.names)
        unknown.tell(context)
        for message in in_pieces(json_response(voice_activity(call.model, output))):
            yield message

    async def RecognizeSpeech(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio, with the model of the body."""
        async for message in self._heard(RECOGNITION, "", request, context, "RecognizeSpeech"):
            yield message

    async def RecognizeSpeechModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Transcribes audio, with the model of the path."""
        async for message in self._heard(RECOGNITION, request.model, request.body, context, "RecognizeSpeechModel"):
            yield message

    async def ClassifyAudio(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Classifies audio, with the model of the body."""
        async for message in self._heard(AUDIO_LABELS, "", request, context, "ClassifyAudio"):
            yield message

    async def ClassifyAudioModel(self, request: ModelPathWithBody, context: Context) -> AsyncIterator[HttpBody]:
        """Classifies audio, with the model of the path."""
        async for message in self._heard(AUDIO_LABELS, request.model, request.body, context, "ClassifyAudioModel"):
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

    async def _form(
        self, request: HttpBody, context: Context, known: Collection[str] = ()
    ) -> tuple[Form, UnknownFields]:
        """A form of a page that may send one, and what takes its unknown fields."""
        refuse_other_origins(context, self._origins)
        unknown = unknown_of(context, known, report=self._report_unknown)
        return await off_loop(len(request.data), read_form, request), unknown

    async def _written(
        self, request: HttpBody, context: Context, method: str, *, translate: bool
    ) -> AsyncIterator[HttpBody]:
        """OpenAI's transcriptions, in any of their forms."""
        form, unknown = await self._form(request, context, _NEUTRAL)
        wanted = asked(form, unknown, translate=translate)
        call = call_for(
            context,
            model=wanted.model,
            task_input=wanted.task_input,
            task=TRANSCRIBE,
            interface=f"SpeechService/{method}",
        )
        if wanted.stream:
            unknown.tell(context)
            async for message in transcript_events(self._pipeline, call, wanted.names):
                yield message
            return
        output = await answer_of(self._pipeline, call, TranscribeOutput, wanted.names)
        unknown.tell(context)
        shown = Shown(translate, wanted.task_input.temperature, segments=wanted.segments, words=wanted.task_input.words)
        for message in messages_of(*written(output, wanted.response_format, shown)):
            yield message

    async def _heard(
        self,
        route: AudioRoute[ParametersT, InputT, OutputT],
        path_model: str,
        request: HttpBody,
        context: Context,
        method: str,
    ) -> AsyncIterator[HttpBody]:
        """What Hugging Face's routes say of audio."""
        unknown = unknown_of(context, report=self._report_unknown)
        read = partial(route.read, from_page="origin" in metadata_of(context))
        given = await off_loop(len(request.data), read, request, unknown)
        call = call_with(
            given.options,
            context,
            model=model_of(given.model, path_model),
            task_input=given.task_input,
            task=route.task,
            interface=f"SpeechService/{method}",
        )
        output = await answer_of(self._pipeline, call, route.output, route.names(given.parameters))
        unknown.tell(context)
        for message in in_pieces(json_response(route.answer(output, given.task_input))):
            yield message

    async def _spoken_text(
        self, path_model: str, request: HttpBody, context: Context, method: str
    ) -> AsyncIterator[HttpBody]:
        """Hugging Face's text to speech."""
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
        with renaming(names):
            async with self._pipeline.stream(call) as parts:
                async for part in parts:
                    assert isinstance(part, SpeakOutput)
                    for message in messages_of(media_type, part.audio):
                        if media_type:
                            unknown.tell(context)
                        media_type = ""
                        yield message
