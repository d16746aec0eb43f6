"""What a model's generation_config.json says: how its authors sample, and which tokens end an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from panope_backends.api.generation import is_finite
from panope_backends.generation.request_limits import MOST_NGRAM_TOKENS
from panope_backends.tasks.json_files import read_json

_FILE = "generation_config.json"

#: Fields of the file -> fields of a request, most of which have the same names.
_FIELDS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat_ngram_size",
    "max_new_tokens": "max_tokens",
    "min_new_tokens": "min_tokens",
}

#: What transformers has in the place of a `forced_eos_token_id` that neither file names.
_USUAL_FORCED_EOS: Mapping[object, int] = {
    **dict.fromkeys(("bart", "blenderbot", "blenderbot-small", "mbart", "plbart"), 2),
    "marian": 0,
    "pegasus": 1,
}

#: Settings of transformers that change answers and are not honoured -> their value that changes nothing.
_NOT_DONE: Mapping[str, Any] = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "penalty_alpha": 0.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "min_length": 0,
    "forced_decoder_ids": None,
    "begin_suppress_tokens": None,
    "sequence_bias": None,
    "exponential_decay_length_penalty": None,
}
_WHOLE = frozenset({"top_k", "no_repeat_ngram_size", "max_tokens", "min_tokens"})

#: No count of tokens and no id of one is as large.
_MOST = 1 << 31


@dataclass(frozen=True)
class GenerationDefaults:
    """The defaults of one model.

    Attributes:
        values: by the names of a request's fields.
        eos_token_ids: tokens that end an answer.
        decoder_token_ids: what the answers of an encoder-decoder go on from; empty for any other model.
        max_length: tokens of an encoder-decoder's answer at most, those that it goes on from included; 0 where nothing
            says so, or `max_tokens` is said.
        min_length: tokens before which it does not end, counted alike; 0 for none.
        suppressed_token_ids: tokens that are never drawn.
        forced_eos_token_ids: one of which an answer ends with where it has as many tokens as it may.
        ignored: settings that ask for what is not done.
    """

    values: Mapping[str, float | int] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()
    decoder_token_ids: tuple[int, ...] = ()
    max_length: int = 0
    min_length: int = 0
    suppressed_token_ids: tuple[int, ...] = ()
    forced_eos_token_ids: tuple[int, ...] = ()
    ignored: tuple[str, ...] = ()

    def honoured_by(self, names: frozenset[str], vocab_size: int = 0) -> GenerationDefaults:
        """Those that an engine honours; a default that nothing would come of is none.

        Args:
            names: of the fields of requests that it honours.
            vocab_size: of the model, which draws no token past it anyhow; 0 where nobody says.
        """
        values = {name: value for name, value in self.values.items() if name in names or name == "max_tokens"}
        suppressed = self.suppressed_token_ids if "logit_bias" in names else ()
        forced = self.forced_eos_token_ids if "forced_eos_token_ids" in names else ()
        lost = [key for key, name in _FIELDS.items() if name in self.values.keys() - values.keys()]
        lost += ["forced_eos_token_id"] if self.forced_eos_token_ids and not forced else []
        known = range(vocab_size or _MOST)
        return replace(
            self,
            values=values,
            suppressed_token_ids=tuple(token_id for token_id in suppressed if token_id in known),
            forced_eos_token_ids=tuple(token_id for token_id in forced if token_id in known),
            ignored=(*self.ignored, *lost),
        )


def read_defaults(folder: Path, config: Mapping[str, Any]) -> GenerationDefaults:
    """Reads the file; what it leaves out, config.json may say.

    Args:
        folder: of the model.
        config: its config.json.

    Raises:
        PreconditionError: the file is no JSON object.
    """
    found = read_json(folder / _FILE, missing_ok=True)
    if config.get("is_encoder_decoder") is True:
        return _of_encoder_decoder(found, config)
    text_config = config.get("text_config")
    parts = (found, config, text_config if isinstance(text_config, Mapping) else {})
    eos = next((ids for part in parts if (ids := _ids(part.get("eos_token_id")))), ())
    return GenerationDefaults(
        _values(found),
        eos,
        suppressed_token_ids=_suppressed(found),
        forced_eos_token_ids=_ids(found.get("forced_eos_token_id")),
        ignored=_ignored(found),
    )


def _of_encoder_decoder(found: Mapping[str, Any], config: Mapping[str, Any]) -> GenerationDefaults:
    """As transformers: older models have all of it in config.json, and their types the rest."""
    usual = _USUAL_FORCED_EOS.get(config.get("model_type"))
    told = found or {**({} if usual is None else {"forced_eos_token_id": usual}), **config}
    values = _values(told)
    both = {**config, **found}
    start = _decoder_start(both)
    longest = 0 if "max_tokens" in values else int(_number(both.get("max_length"), "max_tokens") or 0)
    shortest = int(_number(told.get("min_length"), "min_tokens") or 0)
    if longest > len(start):
        values["max_tokens"] = longest - len(start)
    if shortest > len(start):
        values["min_tokens"] = max(values.get("min_tokens", 0), shortest - len(start))
    return GenerationDefaults(
        values,
        _ids(both.get("eos_token_id")),
        start,
        longest,
        shortest,
        _suppressed(told),
        _ids(told.get("forced_eos_token_id")),
        tuple(name for name in _ignored(told) if name != "min_length"),
    )


def _values(found: Mapping[str, Any]) -> dict[str, float | int]:
    return {name: value for key, name in _FIELDS.items() if (value := _number(found.get(key), name)) is not None}


def _ignored(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What asks for anything: beams are searched by nobody, and answers are drawn token by token."""
    ignored = [name for name, nothing in _NOT_DONE.items() if found.get(name, nothing) not in (None, nothing)]
    longest = _number(found.get("no_repeat_ngram_size"), "min_tokens") or 0
    return (*ignored, "no_repeat_ngram_size") if longest > MOST_NGRAM_TOKENS else tuple(ignored)


def _decoder_start(found: Mapping[str, Any]) -> tuple[int, ...]:
    """The token that transformers starts a decoder with, and the one that it makes the first of every answer."""
    start = _ids(found.get("decoder_start_token_id")) or _ids(found.get("bos_token_id"))
    return (*start[:1], *_ids(found.get("forced_bos_token_id"))[:1]) if start else ()


def _suppressed(found: Mapping[str, Any]) -> tuple[int, ...]:
    """Tokens that are never drawn; words of several tokens are drawn freely."""
    words = found.get("bad_words_ids")
    single = [word[0] for word in words if isinstance(word, list) and len(word) == 1] if isinstance(words, list) else []
    return tuple(dict.fromkeys((*_ids(single), *_ids(found.get("suppress_tokens")))))


def _number(value: object, name: str) -> float | int | None:
    """A setting within the range of its field; None for any other."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        return None
    if name in _WHOLE:
        least, most = 0 if name == "top_k" else 1, MOST_NGRAM_TOKENS if name == "no_repeat_ngram_size" else _MOST
        return int(value) if value == int(value) and least <= value <= most else None
    if name == "top_p":
        return float(value) if 0 < value <= 1 else None
    if name == "min_p":
        return float(value) if 0 <= value <= 1 else None
    return float(value) if value > 0 or (value == 0 and name == "temperature") else None


def _ids(value: object) -> tuple[int, ...]:
    """One id or several, as files write them."""
    ids = value if isinstance(value, list) else [value]
    return tuple(each for each in ids if isinstance(each, int) and not isinstance(each, bool) and 0 <= each < _MOST)
