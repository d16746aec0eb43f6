"""How a model with an encoder is asked for a summary or a translation, as its files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from panope.worker.v1.generate_pb2 import GenerateInput, TextToText
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.tokenizer.prepared import LanguageTokens

_UNSUPPORTED = "unsupported_field"


@dataclass(frozen=True)
class TextForm:
    """What becomes of one call's texts.

    Attributes:
        beginning: stands before each text, such as `summarize: `.
        language: whose special tokens go around a text; None for those of the tokenizer.
        code: a token before a text that tells the language of the answer; None for none.
        truncate: whether a text that is too long is cut at its end.
        decoder_token_ids: what answers go on from; empty for the model's own.
        max_tokens: of an answer, where the call does not say; None for the model's own.
        min_tokens: as above; 0 for none.
    """

    beginning: str = ""
    language: LanguageTokens | None = None
    code: int | None = None
    truncate: bool = False
    decoder_token_ids: tuple[int, ...] = ()
    max_tokens: int | None = None
    min_tokens: int = 0


@dataclass(frozen=True)
class TextForms:
    """What one model's files say of texts that are turned into others.

    Attributes:
        has_encoder: whether the model has one.
        defaults: of its files.
        languages: that its tokenizer has, by name.
        target_codes: tokens before a text by the language of the answer.
        language_pair: of a model that translates from one language into one.
        tasks: `task_specific_params` of its config.json.
    """

    has_encoder: bool = False
    defaults: GenerationDefaults = field(default_factory=GenerationDefaults)
    languages: Mapping[str, LanguageTokens] = field(default_factory=dict)
    target_codes: Mapping[str, int] = field(default_factory=dict)
    language_pair: tuple[str, str] | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, message: GenerateInput) -> TextForm:
        """What a call's texts become.

        Raises:
            InvalidInputError: the model has no encoder, or not the language.
        """
        if not message.HasField("text_to_text"):
            return TextForm()
        asked = message.text_to_text
        if not self.has_encoder:
            raise InvalidInputError.at(
                "text_to_text", "{field} is for models with an encoder, which this one lacks", reason=_UNSUPPORTED
            )
        settings = self._settings(asked)
        start = self._start(asked)
        longest, shortest = (_whole(settings.get(name)) for name in ("max_length", "min_length"))
        longest = asked.max_length or longest or self.defaults.max_length
        shortest = asked.min_length or shortest or self.defaults.min_length
        most = max(1, longest - len(start)) if longest else None
        least = max(0, shortest - len(start))
        return TextForm(
            beginning=_text(settings.get("prefix")),
            language=self.languages[asked.source_language] if self.languages and asked.source_language else None,
            code=self.target_codes.get(asked.target_language),
            truncate=asked.truncate,
            decoder_token_ids=start,
            max_tokens=most,
            min_tokens=least if most is None else min(least, most),
        )

    def _settings(self, asked: TextToText) -> Mapping[str, Any]:
        """What the files say of a task, or of a translation between two languages."""
        if self.languages:
            for name in ("source_language", "target_language"):
                if (code := getattr(asked, name)) and code not in self.languages:
                    raise InvalidInputError.at(
                        name,
                        "{field} is none of the model's {count:,} languages, which have names such as {example}",
                        count=len(self.languages),
                        example=next(iter(self.languages)),
                    )
            return self.tasks.get(asked.task, {})
        known_source, known_target = self._knows(asked)
        if known_source and known_target:
            return self.tasks.get(asked.task, {})
        pair = f"translation_{asked.source_language}_to_{asked.target_language}"
        if asked.source_language and asked.target_language and pair in self.tasks:
            return self.tasks[pair]
        raise InvalidInputError.at(
            "target_language" if known_source else "source_language",
            "{field} cannot be told to the model: neither its tokenizer nor its config.json has such languages",
            reason=_UNSUPPORTED,
        )

    def _knows(self, asked: TextToText) -> tuple[bool, bool]:
        """Whether the languages asked for are what the model translates from and into anyhow, or has a code for."""
        source, target = self.language_pair or ("", "")
        codes = self.target_codes
        return asked.source_language in ("", source), asked.target_language in ("", target, *codes)

    def _start(self, asked: TextToText) -> tuple[int, ...]:
        """What answers go on from: the token of the target language, behind the decoder's own or in its place."""
        usual = self.defaults.decoder_token_ids
        ids = {each.token_id for each in self.languages.values()}
        if asked.target_language and self.languages:
            target = self.languages[asked.target_language].token_id
            return (target,) if usual[0] in ids else (usual[0], target)
        if asked.task == "translation" and self.languages and not ids.intersection(usual):
            raise InvalidInputError.at("target_language", "{field} is missing: the model has several languages")
        return usual


def task_settings(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """`task_specific_params` of a config.json, as far as it is what it should be."""
    found = config.get("task_specific_params")
    return {name: each for name, each in found.items() if isinstance(each, Mapping)} if isinstance(found, dict) else {}


def _whole(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
