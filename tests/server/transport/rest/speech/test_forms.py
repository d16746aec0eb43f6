"""Forms with audio, and what was said in the forms that callers ask for."""

import json

import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.transcribe import (
    TranscribeInput,
    TranscribeOutput,
    TranscriptSegment,
    TranscriptWord,
)
from panope_server.tasks.speech.vad import VadOptions
from panope_server.transport.rest.forms.multipart import Form, read_form
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.fields import asked
from panope_server.transport.rest.speech.formats import Shown, recognition, written

SAID = TranscribeOutput(
    [
        TranscriptSegment(0, 0.0, 1.5, " Hello --> world.", [1], -0.5, 1.0),
        TranscriptSegment(1, 3723.25, 3724.0, " Again.", [2], -0.5, 1.0, [TranscriptWord(" Again.", 3723.3, 3723.9)]),
    ],
    "en",
    3725.0,
    4,
)


def body(*parts: bytes, end: bytes = b"--B--\r\n", kind: str = "multipart/form-data; boundary=B") -> HttpBody:
    return HttpBody(content_type=kind, data=b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + end)


def field(name: str, value: bytes, *, file: bool = False) -> bytes:
    more = b'; filename="a.wav"' if file else b""
    return b'Content-Disposition: form-data; name="' + name.encode() + b'"' + more + b"\r\n\r\n" + value


def form(**texts: list[str]) -> Form:
    return Form(texts, {"file": b"audio"})


def test_a_form_is_fields_and_files_of_any_bytes():
    audio = bytes(range(256)) + b"\r\n--A\r\n"
    read = read_form(body(field("model", b"acme/whisper"), field("file", audio, file=True), field("model", b"")))
    assert read == Form({"model": ["acme/whisper", ""]}, {"file": audio})


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (body(field("model", b"a"), kind="application/json"), "unsupported_content_type"),
        (body(field("model", b"a"), kind="multipart/form-data"), "invalid_form"),
        (body(field("model", b"a"), end=b""), "invalid_form"),
        (body(b"no header"), "invalid_form"),
        (body(*[field("model", b"a")] * 65), "invalid_form"),
        (body(field("file", b"a", file=True), field("file", b"b", file=True)), "invalid_input"),
        (body(field("prompt", b"\xff")), "invalid_input"),
        (body(field("prompt", bytes(70_000))), "invalid_input"),
    ],
)
def test_what_is_no_form_is_refused(sent, reason):
    with pytest.raises(InvalidInputError) as error:
        read_form(sent)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("texts", "field_name"),
    [
        ({"temperature": ["warm"]}, "temperature"),
        ({"temperature": ["1.5"]}, "temperature"),
        ({"temperature": ["0_1"]}, "temperature"),
        ({"temperature": ["\uff10"]}, "temperature"),
        ({"temperature": ["nan"]}, "temperature"),
        ({"response_format": ["diarized_json"]}, "response_format"),
        ({"response_format": ["srt"], "stream": ["true"]}, "response_format"),
        ({"stream": ["maybe"]}, "stream"),
        ({"timestamp_granularities[]": ["char"], "response_format": ["verbose_json"]}, "timestamp_granularities"),
        ({"timestamp_granularities[]": ["segment"]}, "timestamp_granularities"),
        ({"include[]": ["logprobs"]}, "include"),
        ({"chunking_strategy": ["never"]}, "chunking_strategy"),
        ({"chunking_strategy": ["auto", "auto"]}, "chunking_strategy"),
        ({"chunking_strategy": ["auto"], "vad": ["false"]}, "chunking_strategy"),
        ({"chunking_strategy": ['{"type": "server_vad", "threshold": 1.5}']}, "chunking_strategy"),
        ({"chunking_strategy[type]": ["server_vad"], "chunking_strategy[nonsense]": ["1"]}, "chunking_strategy"),
        ({"vad": ["perhaps"]}, "vad"),
        ({"language": ["en", "de"]}, "language"),
        ({"nonsense": ["1"]}, "nonsense"),
        ({"file": ["talk.wav"]}, "file"),
        ({"seed": ["-1"]}, "seed"),
        ({"seed": ["1_0"]}, "seed"),
        ({"seed": ["\uff11\uff12"]}, "seed"),
        ({"seed": [" 1"]}, "seed"),
        ({"seed": [str(1 << 63)]}, "seed"),
        ({"chunking_strategy[type]": ["server_vad"], "chunking_strategy[threshold]": ["nan"]}, "chunking_strategy"),
        ({"chunking_strategy[type]": ["server_vad"], "chunking_strategy[threshold]": ["0_1"]}, "chunking_strategy"),
        (
            {"chunking_strategy[type]": ["server_vad"], "chunking_strategy[silence_duration_ms]": ["2_0"]},
            "chunking_strategy",
        ),
    ],
)
def test_fields_that_cannot_be_honoured_are_refused_by_name(texts, field_name):
    with pytest.raises(InvalidInputError) as error:
        asked(form(**texts), UnknownFields(report=False), translate=False)
    assert error.value.field == field_name


@pytest.mark.parametrize(
    ("texts", "vad", "options"),
    [
        ({}, None, None),
        ({"vad": ["false"]}, False, None),
        ({"chunking_strategy": ["auto"]}, True, VadOptions()),
        (
            {"chunking_strategy": ['{"type": "server_vad", "prefix_padding_ms": 300}']},
            True,
            VadOptions(padding_seconds=0.3),
        ),
        (
            {
                "chunking_strategy[type]": ["server_vad"],
                "chunking_strategy[threshold]": ["0.7"],
                "chunking_strategy[silence_duration_ms]": ["200"],
            },
            True,
            VadOptions(threshold=0.7, min_silence_seconds=0.2),
        ),
    ],
)
def test_a_form_says_whether_silence_is_left_out(texts, vad, options):
    wanted = asked(form(**texts), UnknownFields(report=False), translate=False).task_input
    assert (wanted.vad, wanted.vad_options) == (vad, options)


@pytest.mark.parametrize("url", ["https://example.org/a.wav", "data:audio/wav;base64,YQ=="])
@pytest.mark.parametrize("translate", [False, True])
def test_a_form_may_say_where_the_file_is(url, translate):
    told = asked(Form({"url": [url]}, {}), UnknownFields(report=False), translate=translate)
    assert (told.task_input.audio, told.task_input.url) == (b"", url)
    assert told.names("audio") == "url", "what is wrong with the audio is told by the form's name of it"


@pytest.mark.parametrize(
    ("sent", "field_name"),
    [
        (Form({}, {}), "file"),
        (form(url=["https://example.org/a.wav"]), "url"),
        (Form({"url": ["ftp://example.org/a.wav"]}, {}), "url"),
        (Form({"url": [""]}, {}), "url"),
        (Form({"url": ["https://a.example", "https://b.example"]}, {}), "url"),
        (Form({"file": ["https://example.org/a.wav"]}, {}), "file"),
    ],
    ids=["none", "both", "scheme", "empty", "twice", "as a text"],
)
def test_a_form_without_one_file_is_refused_by_name(sent, field_name):
    with pytest.raises(InvalidInputError) as error:
        asked(sent, UnknownFields(report=False), translate=False)
    assert error.value.field == field_name


def test_a_translation_takes_no_language_and_no_stream():
    for name in ("language", "stream"):
        with pytest.raises(InvalidInputError) as error:
            asked(form(**{name: ["true"]}), UnknownFields(report=False), translate=True)
        assert error.value.field == name


def test_subtitles_ask_for_times():
    wanted = asked(form(response_format=["srt"], model=["acme/w"]), UnknownFields(report=False), translate=False)
    assert (wanted.task_input.timestamps, wanted.model, wanted.response_format) == (True, "acme/w", "srt")


@pytest.mark.parametrize(
    ("given", "words", "segments"),
    [([], False, True), (["segment"], False, True), (["word"], True, False), (["segment", "word"], True, True)],
)
def test_a_verbose_answer_has_the_granularities_that_are_asked_for(given, words, segments):
    texts = {"timestamp_granularities[]": given, "response_format": ["verbose_json"]}
    wanted = asked(form(**texts), UnknownFields(report=False), translate=False)
    assert (wanted.task_input.words, wanted.segments) == (words, segments)
    _, data = written(SAID, "verbose_json", Shown(segments=segments, words=words))
    told = json.loads(data)
    assert ("segments" in told, "words" in told) == (segments, words)
    assert told.get("words", []) == [{"word": "Again.", "start": 3723.3, "end": 3723.9}] * words


def test_chunks_of_hugging_face_are_segments_or_words():
    told = recognition(SAID, TranscribeInput(b"", words=True))
    assert told["chunks"] == [{"text": " Again.", "timestamp": [3723.3, 3723.9]}]
    assert len(recognition(SAID, TranscribeInput(b"", timestamps=True))["chunks"]) == 2
    assert "chunks" not in recognition(SAID, TranscribeInput(b""))


def test_subtitles_are_written_as_their_players_read_them():
    _, srt = written(SAID, "srt", Shown())
    assert srt.decode() == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello -> world.\n\n2\n01:02:03,250 --> 01:02:04,000\nAgain.\n"
    )
    kind, vtt = written(SAID, "vtt", Shown())
    assert kind.startswith("text/vtt")
    assert vtt.decode().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello -> world.\n\n01:02:03.250")
