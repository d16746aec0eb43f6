"""The fields of OpenAI's forms of speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.config.numbers import read_integer, read_number
from panope_server.tasks.links import file_url
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.transport.field_names import FieldNames
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.forms.texts import unknown_field
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.speech.audio_bodies import AudioFile
from panope_server.transport.rest.speech.chunking import ServerVad, read_chunking

Format = Literal["json", "text", "srt", "vtt", "verbose_json"]
_FORMATS: Sequence[Format] = ("json", "text", "srt", "vtt", "verbose_json")

#: Fields that are known and not honoured, with the reason.
_REFUSED = {
    "include": "is not supported; `verbose_json` tells the mean log-probability of each segment",
    "include[]": "is not supported; `verbose_json` tells the mean log-probability of each segment",
    "known_speaker_names[]": "is not supported: speakers are not told apart",
    "known_speaker_references[]": "is not supported: speakers are not told apart",
    "keywords[]": "is not supported; name them in `prompt`",
    "languages[]": "is not supported; name one in `language`, or none",
}

#: What the form of a transcription calls fields of the task's input.
_NAMES = {
    "timestamps": "response_format",
    "words": "timestamp_granularities",
    "vad_options": "chunking_strategy",
    "vad_options.threshold": "chunking_strategy[threshold]",
    "vad_options.min_silence_seconds": "chunking_strategy[silence_duration_ms]",
    "vad_options.padding_seconds": "chunking_strategy[prefix_padding_ms]",
}

#: These two describe the forms, for /openapi.json: a form is read by `asked`.
_File = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class TranscriptionForm(Struct, forbid_unknown_fields=True):
    """The form of `/v1/audio/transcriptions`.

    Attributes:
        file: The audio: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM, told by its content.
        url: In its place: the file's URL where the settings `media_urls` allow that, or `data:audio/wav;base64,…`. Not
            of OpenAI's.
        model: Absent for the default model.
        language: That is spoken, as a code such as `en`; absent for the one that the model hears.
        prompt: What was said before, or names as they are written.
        response_format: `text`, `srt` and `vtt` are no JSON.
        temperature: From 0, which takes the likeliest token each time, to 1.
        timestamp_granularities: Of `verbose_json`: `segment` tells `segments`, `word` `words`; absent for segments.
        stream: Whether the text comes as server-sent events, `transcript.text.delta` and `transcript.text.done`.
        seed: Draws the same tokens each time, at a temperature above 0.
        chunking_strategy: `auto` leaves silence out; so does an object, with what counts as speech.
        vad: Whether silence is left out; absent for where the server has the detector. Not of OpenAI's.
    """

    file: _File | None = None
    url: str | None = None
    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    response_format: Format = "json"
    temperature: Annotated[float, Meta(ge=0, le=1)] = 0.0
    timestamp_granularities: list[Literal["segment", "word"]] | None = None
    stream: bool = False
    seed: Annotated[int, Meta(ge=0)] | None = None
    chunking_strategy: Literal["auto"] | ServerVad | None = None
    vad: bool | None = None


class TranslationForm(Struct, forbid_unknown_fields=True):
    """The form of `/v1/audio/translations`.

    Attributes:
        file: As of a transcription.
        url: As of a transcription.
        model: As of a transcription.
        prompt: In English.
        response_format: As of a transcription.
        temperature: As of a transcription.
        seed: As of a transcription.
        vad: As of a transcription.
    """

    file: _File | None = None
    url: str | None = None
    model: str | None = None
    prompt: str | None = None
    response_format: Format = "json"
    temperature: Annotated[float, Meta(ge=0, le=1)] = 0.0
    seed: Annotated[int, Meta(ge=0)] | None = None
    vad: bool | None = None


@dataclass(frozen=True)
class Asked:
    """What a form asks for.

    Attributes:
        task_input: of the call.
        model: empty for the default model.
        response_format: of the answer.
        stream: whether it comes as events.
        segments: whether `verbose_json` tells them.
        names: what the form calls fields of the input.
    """

    task_input: TranscribeInput
    model: str
    response_format: Format
    stream: bool
    segments: bool
    names: FieldNames


def asked(form: Form, unknown: UnknownFields, *, translate: bool) -> Asked:
    """Reads a form.

    Args:
        form: of a transcription, or a translation.
        unknown: takes the fields that it does not have.
        translate: which of the two it is.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or has a wrong value.
    """
    texts = {name: list(values) for name, values in form.texts.items()}
    granularities = texts.pop("timestamp_granularities[]", []) + texts.pop("timestamp_granularities", [])
    vad_options = None if translate else read_chunking(texts)
    known = ["url", "model", "prompt", "response_format", "temperature", "seed", "vad"]
    known += [] if translate else ["language", "stream"]
    given = single_texts(texts, known, unknown)
    file = the_file(form, given.get("url"), unknown)
    stream = _boolean("stream", given.get("stream", "false"))
    vad = _boolean("vad", given["vad"]) if "vad" in given else None
    if vad_options is not None and vad is False:
        raise InvalidInputError("`chunking_strategy` has no effect where `vad` is false", field="chunking_strategy")
    kind = _format(given.get("response_format") or "json", stream=stream)
    if translate and granularities:
        unknown.add("timestamp_granularities", unknown_field("timestamp_granularities"))
    _check_granularities(granularities, kind)
    task_input = TranscribeInput(
        file.content,
        language=given.get("language", ""),
        translate=translate,
        prompt=given.get("prompt", ""),
        temperature=_temperature(given.get("temperature", "0")),
        seed=_seed(given.get("seed")),
        timestamps=kind in ("srt", "vtt", "verbose_json"),
        stream=stream,
        vad=vad if vad_options is None else True,
        vad_options=vad_options,
        words="word" in granularities,
        url=file.url,
    )
    segments = "segment" in granularities or not granularities
    return Asked(task_input, given.get("model", ""), kind, stream, segments, names_of(file, _NAMES))


def the_file(form: Form, url: str | None, unknown: UnknownFields) -> AudioFile:
    """The audio of a form.

    Args:
        form: as it was sent.
        url: what its field `url` says; None for a form without.
        unknown: takes the files that are none.

    Raises:
        InvalidInputError: there is none, there are two, or it is of no scheme that is known.
    """
    for name in form.files:
        if name != "file":
            unknown.add(name, unknown_field(name))
    file = form.files.get("file")
    if url is not None:
        if file is not None:
            raise InvalidInputError("`url` stands in the place of `file`; give one of them", field="url")
        return AudioFile(b"", file_url(url, "url"))
    if file is None:
        raise InvalidInputError("`file` is missing: send the audio as a file", field="file")
    return AudioFile(file)


def names_of(file: AudioFile, names: Mapping[str, str]) -> FieldNames:
    """What a form calls fields of an input, of which the audio is `file` or `url`."""
    return FieldNames({**names, "audio": "url" if file.url else "file"})


def single_texts(texts: Mapping[str, Sequence[str]], known: Sequence[str], unknown: UnknownFields) -> dict[str, str]:
    """The fields of a form that have one value each.

    Args:
        texts: the form's fields.
        known: their names.
        unknown: takes the others.

    Raises:
        InvalidInputError: one is given twice, is known and not honoured, or is what should be the file.
    """
    given: dict[str, str] = {}
    for name, values in texts.items():
        if name in _REFUSED:
            shown = name.removesuffix("[]")
            raise InvalidInputError(f"`{shown}` {_REFUSED[name]}", field=shown, reason="unsupported_field")
        if name == "file":
            raise InvalidInputError(
                "`file` is a text; send the audio as a file, as `-F file=@talk.wav` does", field="file"
            )
        if name not in known:
            unknown.add(name, unknown_field(name))
            continue
        if len(values) > 1:
            raise InvalidInputError(f"`{name}` is given twice", field=name)
        given[name] = values[0]
    return given


def _format(text: str, *, stream: bool) -> Format:
    found = next((each for each in _FORMATS if each == text), None)
    if found is None:
        raise InvalidInputError(
            f"`response_format` is one of {', '.join(_FORMATS)}", field="response_format", reason="unsupported_field"
        )
    if stream and found != "json":
        raise InvalidInputError("`response_format` of a stream is `json`", field="response_format")
    return found


def _check_granularities(given: Sequence[str], kind: Format) -> None:
    name = "timestamp_granularities"
    if any(each not in {"segment", "word"} for each in given):
        raise InvalidInputError(f"`{name}` holds `segment`, `word` or both", field=name, reason="unsupported_field")
    if given and kind != "verbose_json":
        raise InvalidInputError(f"`{name}` needs `response_format` `verbose_json`", field=name)


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise InvalidInputError(f"`{name}` must be `true` or `false`", field=name)
    return text.lower() == "true"


def _temperature(text: str) -> float:
    value = read_number(text)
    if value is None or not 0 <= value <= 1:
        raise InvalidInputError("`temperature` must be a number from 0 to 1", field="temperature")
    return value


def _seed(text: str | None) -> int | None:
    if text is None:
        return None
    value = read_integer(text)
    if value is None or not 0 <= value < 1 << 63:
        raise InvalidInputError("`seed` must be a whole number from 0 to 2**63 - 1", field="seed")
    return value
