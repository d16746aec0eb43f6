"""What a model's files say of how it is asked to transcribe speech."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_backends.api import Head
from panope_backends.errors import PreconditionError
from panope_backends.tasks.json_files import read_json

_LANGUAGE_TOKEN = re.compile(r"<lang:(\w+)>")

#: That a median is taken of; models have 7.
_MOST_MOMENTS = 100


@dataclass(frozen=True)
class SpeechTokens:
    """The tokens by which a model is told what to do.

    Attributes:
        start: what the decoder starts with.
        eos: the token that ends an answer.
        languages: tokens by language, such as `en`; empty for a model of one language.
        written: tokens by the language of the answer, which must be told: of models that translate what they hear.
        tasks: tokens of `transcribe` and `translate`; empty for a model that has no choice.
        no_timestamps: says that no times are told; None for a model that knows none.
        previous: stands before a prompt; None for a model that takes none.
        suppressed: never drawn.
        suppressed_first: never drawn first.
        max_initial_timestamp: of the first timestamp, in steps of it; None for any.
        alignment_heads: of the decoder, whose attention follows the audio; empty for a model that tells none.
        forced: what every answer begins with, such as its language; None for nothing.
        max_length: of an answer in tokens, with all that it begins with; 0 for what the decoder reaches.
        max_new_tokens: the same without that; it counts where both are told.
        median_filter_width: by which their attention is smoothed, in moments; an odd number.
    """

    start: int
    eos: int
    languages: Mapping[str, int] = field(default_factory=dict)
    written: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[str, int] = field(default_factory=dict)
    no_timestamps: int | None = None
    previous: int | None = None
    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()
    max_initial_timestamp: int | None = None
    alignment_heads: tuple[Head, ...] = ()
    forced: int | None = None
    max_length: int = 0
    max_new_tokens: int = 0
    median_filter_width: int = 7

    @property
    def first_timestamp(self) -> int | None:
        """Of 0 seconds; the others follow it."""
        return None if self.no_timestamps is None else self.no_timestamps + 1


def read_speech_tokens(folder: Path, config: Mapping[str, Any], token_id: Mapping[str, int]) -> SpeechTokens:
    """Reads generation_config.json; what it leaves out, config.json may say, and for Whisper the vocabulary.

    Args:
        folder: of the model.
        config: its config.json.
        token_id: of special tokens, by their texts.

    Raises:
        PreconditionError: neither file says how an answer starts and ends.
    """
    found = {**config, **{k: v for k, v in read_json(folder / "generation_config.json", missing_ok=True).items() if v}}
    start, eos = _id(found.get("decoder_start_token_id")), _id(found.get("eos_token_id"))
    if start is None or eos is None:
        raise PreconditionError(
            "neither generation_config.json nor config.json has a `decoder_start_token_id` and an `eos_token_id`",
            reason="unsupported_model",
        )
    languages = {text.strip("<|>"): number for text, number in _ids(found.get("lang_to_id")).items()}
    no_timestamps = _id(found.get("no_timestamps_token_id"))
    return SpeechTokens(
        start,
        eos,
        languages,
        {} if languages else _written(found, token_id),
        _ids(found.get("task_to_id")) if languages else {},
        token_id.get("<|notimestamps|>") if no_timestamps is None else no_timestamps,
        _id(found.get("prev_sot_token_id")) or token_id.get("<|startofprev|>"),
        _list(found.get("suppress_tokens")),
        _list(found.get("begin_suppress_tokens")),
        _id(found.get("max_initial_timestamp_index")),
        _heads(found.get("alignment_heads")),
        _id(found.get("forced_bos_token_id")),
        _id(found.get("max_length")) or 0,
        _id(found.get("max_new_tokens")) or 0,
        _odd(found.get("median_filter_width")) or 7,  # the default of WhisperConfig
    )


def _written(found: Mapping[str, Any], token_id: Mapping[str, int]) -> dict[str, int]:
    """SeamlessM4T's files have a table, of Speech2Text's the tokens have such names."""
    named = {match[1]: number for text, number in token_id.items() if (match := _LANGUAGE_TOKEN.fullmatch(text))}
    return _ids(found.get("text_decoder_lang_to_code_id")) or named


def _id(value: object) -> int | None:
    if isinstance(value, list) and value:
        value = value[0]
    return value if type(value) is int and value >= 0 else None


def _ids(value: object) -> dict[str, int]:
    return {k: v for k, v in value.items() if type(v) is int and v >= 0} if isinstance(value, dict) else {}


def _list(value: object) -> tuple[int, ...]:
    return tuple(each for each in value if type(each) is int and each >= 0) if isinstance(value, list) else ()


def _heads(value: object) -> tuple[Head, ...]:
    pairs = value if isinstance(value, list) else []
    found = (tuple(pair) for pair in pairs if isinstance(pair, list) and [type(each) for each in pair] == [int, int])
    return tuple((layer, head) for layer, head in found if layer >= 0 and head >= 0)


def _odd(value: object) -> int:
    return value if type(value) is int and 0 < value < _MOST_MOMENTS and value % 2 else 0
