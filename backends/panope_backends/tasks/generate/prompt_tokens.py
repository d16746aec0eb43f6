"""Tokens of prompts, within the model's positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from panope.worker.v1.generate_pb2 import GenerateInput
from panope_backends.api import PromptImage
from panope_backends.errors import Field, InvalidInputError
from panope_backends.tasks.generate.fill_in import FillIn
from panope_backends.tasks.generate.images.processor import PreparedImage
from panope_backends.tasks.generate.images.prompt_images import PromptImages
from panope_backends.tasks.generate.text_to_text import TextForm
from panope_backends.tasks.generate.tokenizer.languages import around
from panope_backends.texts import most_characters

#: The reason by which OpenAI's clients know a prompt that is too long.
TOO_LONG = "context_length_exceeded"


class Encoder(Protocol):
    """A model's tokenizer."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens."""


class PromptTokens:
    """Makes and checks the tokens of prompts.

    Args:
        encoder: of the model.
        max_positions: tokens of prompt and answer together; 0 when unknown.
        vocab_size: of the model.
        max_source_length: tokens of a prompt that an encoder reads; 0 for a model without one.
        fill_in: how it is asked to fill in; None for a model that only continues texts.
        token_bytes: what a token adds to a text; None where the engine does not tell.
    """

    def __init__(
        self,
        encoder: Encoder,
        max_positions: int,
        vocab_size: int,
        max_source_length: int = 0,
        fill_in: FillIn | None = None,
        token_bytes: Callable[[int], bytes] | None = None,
    ) -> None:
        self._encoder = encoder
        self._max_positions = max_source_length or max_positions
        self._has_encoder = bool(max_source_length)
        self._fill_in = fill_in
        self._vocab_size = vocab_size
        self._token_bytes = token_bytes

    @property
    def fills_in(self) -> bool:
        """Whether the model can be asked for what is between two texts."""
        return self._fill_in is not None

    def bytes_of(self, token_id: int) -> bytes:
        """What a token adds to a text; nothing where the engine does not tell."""
        return b"" if self._token_bytes is None else self._token_bytes(token_id)

    def of_text(
        self,
        text: str,
        path: str,
        message: GenerateInput,
        form: TextForm | None = None,
        *,
        add_special_tokens: bool | None = None,
    ) -> tuple[int, ...]:
        """The tokens of a text.

        Args:
            text: the prompt.
            path: of the field that it came in.
            message: how a long one is cut, and whether special tokens go around it.
            form: what it becomes for an encoder.
            add_special_tokens: instead of what the message says.

        Raises:
            InvalidInputError: it is too long, or there is nothing of it.
        """
        if message.suffix:
            return self._filling(text, path, message)
        cut = message.truncate_prompt_tokens if message.HasField("truncate_prompt_tokens") else 0
        form = form or TextForm()
        if form.truncate and self._max_positions:
            text = text[: most_characters(self._max_positions)]
        text = self._readable(form.beginning + text, path, cut)
        add = message.add_special_tokens if add_special_tokens is None else add_special_tokens
        ids = self._encoded(text, form, add_special_tokens=add)
        if not ids:
            raise InvalidInputError.at(path, "{field} has no tokens")
        return self._fitting(ids, path, message)

    def _filling(self, text: str, path: str, message: GenerateInput) -> tuple[int, ...]:
        """The tokens of a text and of what comes behind the answer."""
        if self._fill_in is None:
            raise no_fill_in()
        if message.HasField("truncate_prompt_tokens"):
            raise InvalidInputError.at(
                "truncate_prompt_tokens",
                "{field} cannot be honoured beside {suffix}",
                reason="unsupported_field",
                suffix=Field("suffix"),
            )
        texts = (self._readable(text, path, 0), self._readable(message.suffix, "suffix", 0))
        before, behind = (self._encoder.encode(each, add_special_tokens=False) for each in texts)
        ids = self._fill_in.tokens(before, behind)
        if message.add_special_tokens:
            start, end = around(self._encoder.encode(text, add_special_tokens=True), before)
            ids = [*start, *ids, *end]
        return self._fitting(ids, path, message)

    def _encoded(self, text: str, form: TextForm, *, add_special_tokens: bool) -> list[int]:
        """The tokens of a text, with those of its language around it, and cut in front of the last of them."""
        codes = () if form.code is None else (form.code,)
        most = max(1, self._max_positions - len(codes)) if form.truncate and self._max_positions else None
        if not add_special_tokens or (form.language is None and most is None):
            ids = self._encoder.encode(text, add_special_tokens=add_special_tokens)
            return [*codes, *ids[:most]]
        body = self._encoder.encode(text, add_special_tokens=False)
        if form.language is not None:
            before, behind = form.language.prefix, form.language.suffix
        else:
            before, behind = around(self._encoder.encode(text, add_special_tokens=True), body)
        if most is not None:
            body = body[: max(0, most - len(before) - len(behind))]
        return [*codes, *before, *body, *behind]

    def of_conversation(
        self, text: str, images: Sequence[PreparedImage], by: PromptImages, message: GenerateInput
    ) -> tuple[tuple[int, ...], tuple[PromptImage, ...]]:
        """The tokens of a rendered conversation whose model sees images, and the images with their places.

        Raises:
            InvalidInputError: it is too long, or is to be cut, which would cut images.
        """
        if images and message.HasField("truncate_prompt_tokens"):
            raise InvalidInputError.at(
                "truncate_prompt_tokens", "{field} cannot be honoured beside images", reason="unsupported_field"
            )
        cut = message.truncate_prompt_tokens if message.HasField("truncate_prompt_tokens") else 0
        ids, placed = by.tokens(self._readable(text, "messages", cut), images)
        return self._fitting(ids, "messages", message), placed

    def of_ids(self, ids: Sequence[int], path: str, message: GenerateInput) -> tuple[int, ...]:
        """The tokens of a prompt that is tokens already.

        Raises:
            InvalidInputError: it is too long, or has ids that the vocabulary lacks.
        """
        highest = max(ids)
        if highest >= self._vocab_size:
            raise InvalidInputError.at(
                path,
                "{field} has the id {id:,}; the model's vocabulary ends at {last:,}",
                id=highest,
                last=self._vocab_size - 1,
            )
        return self._fitting(ids, path, message)

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of a prompt."""
        return self._encoder.decode(ids)

    def _readable(self, text: str, path: str, cut: int) -> str:
        """The text, or the end of it from which tokens are kept; tokens are made of no more than can be of use."""
        if not self._max_positions:
            return text
        most = most_characters(self._max_positions)
        if len(text) <= most:
            return text
        if cut:
            return text[-most_characters(min(cut, self._max_positions)) :]
        raise InvalidInputError.at(
            path,
            "{field} has {count:,} characters; with its {positions:,} positions the model takes {limit:,}",
            reason=TOO_LONG,
            count=len(text),
            positions=self._max_positions,
            limit=most,
        )

    def _fitting(self, ids: Sequence[int], path: str, message: GenerateInput) -> tuple[int, ...]:
        if message.HasField("truncate_prompt_tokens"):
            ids = ids[-message.truncate_prompt_tokens :]
        limit = self._max_positions
        if self._has_encoder:
            if len(ids) > limit:
                raise InvalidInputError.at(
                    path,
                    "{field} has {count:,} tokens; the model's encoder reads {limit:,} at most",
                    reason=TOO_LONG,
                    count=len(ids),
                    limit=limit,
                )
        elif limit and len(ids) >= limit:
            raise InvalidInputError.at(
                path,
                "{field} has {count:,} tokens; the model's context is {limit:,} tokens, and an answer needs at least 1",
                reason=TOO_LONG,
                count=len(ids),
                limit=limit,
            )
        return tuple(ids)


def no_fill_in() -> InvalidInputError:
    """The refusal of a text behind the answer."""
    return InvalidInputError.at(
        "suffix",
        "{field} is refused: the model's tokenizer has no tokens to ask for what is between two texts",
        reason="unsupported_field",
    )
