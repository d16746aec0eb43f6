# Generated from panope_client/aio/speech_calls.py by clients/python/generate.py; do not edit.
"""Calls that transcribe speech and speak."""

from __future__ import annotations

import math
from typing import Unpack

from panope.v1 import speech_service_pb2 as pb
from panope.v1.classify_service_pb2 import ClassifyAudioResponse
from panope_client.messages.live import (
    LiveDetectionOptions,
    LiveOptions,
    checked_part,
    checked_utterance,
    live_detection_source,
    live_source,
)
from panope_client.messages.speech import (
    ClassifyAudioOptions,
    DetectSpeechOptions,
    SpeakOptions,
    TranscribeOptions,
    classify_audio_request,
    detect_speech_request,
    speak_request,
    transcribe_request,
)
from panope_client.sync.concurrency import Pieces, RpcError, Stream, failure_of
from panope_client.sync.connection import Connection
from panope_client.sync.streams import reading


class SpeechCalls(Connection):
    """The calls of `Client` on models of speech."""

    def transcribe(
        self, audio: bytes | str, model: str, *, timeout: float | None = None, **options: Unpack[TranscribeOptions]
    ) -> pb.TranscribeResponse:
        """Transcribes audio.

        Args:
            audio: the file's bytes: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM.
            model: `vendor/name`, of the task `transcribe`.
            timeout: see the class.
            options: see `TranscribeOptions`.
        """
        return self._call(self._speech.Transcribe, transcribe_request(audio, model, options), timeout)

    def stream_transcribe(
        self, audio: bytes | str, model: str, *, timeout: float = math.inf, **options: Unpack[TranscribeOptions]
    ) -> Stream[pb.StreamTranscribeResponse]:
        """As `transcribe`, with the segments of each window of 30 seconds when they are known. Nothing is retried.

        Args:
            audio: the file's bytes.
            model: `vendor/name`, of the task `transcribe`.
            timeout: seconds for the whole stream.
            options: see `TranscribeOptions`.
        """
        request = pb.StreamTranscribeRequest(request=transcribe_request(audio, model, options))
        attempts = self._retries.start(timeout)
        call = self._speech.StreamTranscribe(request, timeout=attempts.timeout(), metadata=self._metadata)
        with reading(call) as read:
            for response in call:
                read.is_told = True
                yield response

    def live_transcribe(
        self, audio: Pieces, model: str, *, timeout: float = math.inf, **options: Unpack[LiveOptions]
    ) -> Stream[pb.LiveTranscribeResponse]:
        """Transcribes speech while it is spoken: utterances, told when they have ended, and before as they are known.

        Nothing is retried. What the pieces themselves raise is raised after what was told before.

        Args:
            audio: samples of one channel without a header, piece by piece as they come.
            model: `vendor/name`, of the task `transcribe`.
            timeout: seconds for the whole stream.
            options: see `LiveOptions`.
        """
        source = live_source(audio, model, options)
        attempts = self._retries.start(timeout)
        call = self._speech.LiveTranscribe(iter(source), timeout=attempts.timeout(), metadata=self._metadata)
        utterance = 0
        try:
            for response in call:
                utterance = checked_utterance(utterance, response)
                yield response
        except RpcError as error:
            raise failure_of(error) from error
        finally:
            call.cancel()
        source.raise_failure()

    def detect_speech(
        self, audio: bytes | str, model: str, *, timeout: float | None = None, **options: Unpack[DetectSpeechOptions]
    ) -> pb.DetectSpeechResponse:
        """Says which parts of audio are speech.

        Args:
            audio: the file's bytes: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM.
            model: `vendor/name`, of the task `transcribe`.
            timeout: see the class.
            options: see `DetectSpeechOptions`.
        """
        return self._call(self._speech.DetectSpeech, detect_speech_request(audio, model, options), timeout)

    def classify_audio(
        self, audio: bytes | str, model: str, *, timeout: float | None = None, **options: Unpack[ClassifyAudioOptions]
    ) -> ClassifyAudioResponse:
        """Says which of a model's labels fit audio.

        Args:
            audio: as of `transcribe`.
            model: `vendor/name`, of the task `classify`, of audio.
            timeout: see the class.
            options: see `ClassifyAudioOptions`.
        """
        return self._call(self._classify.ClassifyAudio, classify_audio_request(audio, model, options), timeout)

    def stream_detect_speech(
        self, audio: Pieces, model: str, *, timeout: float = math.inf, **options: Unpack[LiveDetectionOptions]
    ) -> Stream[pb.StreamDetectSpeechResponse]:
        """Says which parts of audio are speech while it comes: each when it is heard, and when it has ended.

        Nothing is retried. What the pieces themselves raise is raised after what was told before.

        Args:
            audio: samples of one channel without a header, piece by piece as they come.
            model: `vendor/name`, of the task `transcribe`.
            timeout: seconds for the whole stream.
            options: see `LiveDetectionOptions`.
        """
        source = live_detection_source(audio, model, options)
        attempts = self._retries.start(timeout)
        call = self._speech.StreamDetectSpeech(iter(source), timeout=attempts.timeout(), metadata=self._metadata)
        part = 0
        try:
            for response in call:
                part = checked_part(part, response)
                yield response
        except RpcError as error:
            raise failure_of(error) from error
        finally:
            call.cancel()
        source.raise_failure()

    def speak(
        self, text: str, model: str, *, timeout: float | None = None, **options: Unpack[SpeakOptions]
    ) -> pb.SpeakResponse:
        """Speaks a text; the audio file is `audio.content` of the answer.

        Args:
            text: of at most 4,096 characters.
            model: `vendor/name`, of the task `speak`.
            timeout: see the class.
            options: see `SpeakOptions`.
        """
        return self._call(self._speech.Speak, speak_request(text, model, options), timeout)

    def stream_speak(
        self, text: str, model: str, *, timeout: float = math.inf, **options: Unpack[SpeakOptions]
    ) -> Stream[pb.StreamSpeakResponse]:
        """As `speak`, with the pieces of the file as sentence after sentence is spoken. Nothing is retried.

        Args:
            text: of at most 4,096 characters.
            model: `vendor/name`, of the task `speak`.
            timeout: seconds for the whole stream.
            options: see `SpeakOptions`.
        """
        request = pb.StreamSpeakRequest(request=speak_request(text, model, options))
        attempts = self._retries.start(timeout)
        call = self._speech.StreamSpeak(request, timeout=attempts.timeout(), metadata=self._metadata)
        with reading(call) as read:
            for response in call:
                read.is_told = True
                yield response
