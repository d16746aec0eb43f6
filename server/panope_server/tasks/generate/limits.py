"""What no `generate` model could run, by the name of the field and with the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import msgspec

from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.generate.types import (
    Conversation,
    GenerateInput,
    GenerationOptions,
    Sampling,
    TextToText,
)
from panope_server.tasks.validation import MAX_TOKEN_ID, check_length
from panope_server.tasks.vision.images import check_image

MAX_PROMPTS = 128
MAX_ANSWERS = 128
#: n × prompts of a call, and of one that is streamed, which runs in one piece.
MAX_SEQUENCES = 512
MAX_STREAMED_SEQUENCES = 32
MAX_STOPS = 16
MAX_STOP_CHARACTERS = 256
MAX_STOP_TOKENS = 128
MAX_LOGPROBS = 20
MAX_BIASES = 1024
MAX_GRAMMAR_BYTES = 256 << 10
MAX_SALT_CHARACTERS = 256
MAX_TOOL_CHOICE_CHARACTERS = 80
MAX_LANGUAGE_CHARACTERS = 64
_MOST = (1 << 32) - 1

#: Field -> the least and the most that it may be.
_RANGES = {
    "temperature": (0.0, 100.0),
    "min_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
GRAMMARS = ("json_object", "json_schema", "regex", "lark")


def check_input(task_input: GenerateInput, limits: Limits) -> None:
    """Refuses what is out of its range.

    Raises:
        InvalidInputError: naming the field and the limit.
    """
    check_prompts(task_input, limits)
    check_options(task_input.options)
    check_sequences(task_input)
    if task_input.text_to_text is not None:
        check_text_to_text(task_input.text_to_text)
        if task_input.conversation is not None:
            raise InvalidInputError.at("text_to_text", "{field} is for prompts, not for conversations")
    if task_input.suffix:
        _check_bytes(task_input.suffix, "suffix", limits)
        if not task_input.prompts:
            raise InvalidInputError.at("suffix", "{field} needs prompts that are texts")
    if task_input.conversation is not None and task_input.echo:
        raise InvalidInputError.at("echo", "{field} is for prompts, not for conversations")


def check_text_to_text(asked: TextToText) -> None:
    """Refuses names of languages that no model has, and lengths that contradict each other."""
    for name in ("source_language", "target_language"):
        check_length(getattr(asked, name), name, MAX_LANGUAGE_CHARACTERS)
    for name in ("max_length", "min_length"):
        _check_range(getattr(asked, name), name, 0, _MOST)
    if asked.max_length and asked.min_length > asked.max_length:
        raise InvalidInputError.at("min_length", "{field} exceeds {most}", most=Field("max_length"))


def check_prompts(task_input: GenerateInput, limits: Limits) -> None:
    """Refuses none of the three kinds of prompts, two of them, and those that are too many or too long."""
    texts, sequences, conversation = task_input.prompts, task_input.prompt_token_ids, task_input.conversation
    given = [name for name, value in (("prompts", texts), ("prompt_token_ids", sequences)) if value]
    if conversation is not None:
        given.append("messages")
    if len(given) > 1:
        raise InvalidInputError.at(given[1], "{other} and {field} exclude each other", other=Field(given[0]))
    if not given:
        raise InvalidInputError.at("prompts", "{field} is empty; give at least one")
    if conversation is not None:
        check_conversation(conversation, limits)
    count = max(len(texts), len(sequences))
    _check_most(count, MAX_PROMPTS, given[0], "{field} has {value:,} items; the limit is {most:,}")
    for index, text in enumerate(texts):
        _check_bytes(text, f"prompts[{index}]", limits)
    for index, ids in enumerate(sequences):
        _check_ids(ids, f"prompt_token_ids[{index}]", limits)


def check_conversation(conversation: Conversation, limits: Limits) -> None:
    """Refuses one that is too long; what its messages hold is for the façade and the worker."""
    for name in ("messages", "tools", "template_kwargs"):
        size = len(getattr(conversation, name))
        _check_most(size, limits.max_message_bytes, name, "{field} has {value:,} bytes; the limit is {most:,}")
    if not conversation.messages:
        raise InvalidInputError.at("messages", "{field} is empty; give at least one")
    _check_images(conversation, limits)
    choice = conversation.tool_choice
    check_length(choice, "tool_choice", MAX_TOOL_CHOICE_CHARACTERS)
    if choice not in ("auto", "none", "required") and not choice.removeprefix("name:") != choice:
        raise InvalidInputError.at("tool_choice", "{field} must be auto, none, required or the name of a tool")
    if choice not in ("auto", "none") and not conversation.tools:
        raise InvalidInputError.at("tool_choice", "{field} needs {tools}", tools=Field("tools"))


def _check_images(conversation: Conversation, limits: Limits) -> None:
    most = limits.media.max_images
    _check_most(len(conversation.images), most, "messages", "{field} have {value:,} images; the limit is {most:,}")
    for index, image in enumerate(conversation.images):
        try:
            check_image(image, limits.media, "")
        except InvalidInputError:
            check_image(image, limits.media, image_path(conversation.messages, index))


def image_path(messages: bytes, number: int) -> str:
    """Where an image of a conversation is."""
    paths = (
        f"messages[{index}].content[{place}]"
        for index, message in enumerate(msgspec.json.decode(messages))
        for place, part in enumerate(message["content"] if isinstance(message["content"], list) else ())
        if part["type"] == "image"
    )
    return next(islice(paths, number, None))


def check_options(options: GenerationOptions) -> None:
    """Refuses options out of their ranges."""
    check_sampling(options.sampling)
    for name, least, most in (
        ("n", 1, MAX_ANSWERS),
        ("max_tokens", 0, _MOST),
        ("min_tokens", 0, _MOST),
        ("logprobs", 0, MAX_LOGPROBS),
        ("prompt_logprobs", 0, MAX_LOGPROBS),
        ("priority", -100, 100),
        ("truncate_prompt_tokens", 1, _MOST),
    ):
        _check_range(getattr(options, name), f"{name}", least, most)
    if options.max_tokens is not None and options.min_tokens > options.max_tokens:
        raise InvalidInputError.at("min_tokens", "{field} exceeds {most}", most=Field("max_tokens"))
    _check_range(options.lookup_tokens, "lookup_tokens", 0, 16)
    _check_range(options.lookup_max_ngram, "lookup_max_ngram", 1, 8)
    check_length(options.cache_salt, "cache_salt", MAX_SALT_CHARACTERS)
    _check_stops(options)
    _check_grammar(options)


def check_sampling(sampling: Sampling) -> None:
    """Refuses sampling settings out of their ranges."""
    for name, (least, most) in _RANGES.items():
        _check_range(getattr(sampling, name), f"{name}", least, most)
    _check_range(sampling.top_k, "top_k", 0, MAX_TOKEN_ID)
    for name, most in (("top_p", 1.0), ("repetition_penalty", 100.0)):
        value, path = getattr(sampling, name), f"{name}"
        if value is not None and not 0 < value <= most:
            raise InvalidInputError.at(path, "{field} must be above 0 and at most {most:g}", most=most)
    _check_range(sampling.seed, "seed", -(1 << 63), (1 << 63) - 1)
    _check_biases(sampling)


def check_sequences(task_input: GenerateInput) -> None:
    """Refuses more answers to all prompts together than one call may have."""
    total = task_input.sequences
    most = MAX_STREAMED_SEQUENCES if task_input.stream else MAX_SEQUENCES
    if total > most:
        raise InvalidInputError.at(
            "n",
            "{field} × prompts is {total:,} answers; {what} has at most {most:,}",
            total=total,
            what="a stream" if task_input.stream else "a call",
            most=most,
        )


def _check_stops(options: GenerationOptions) -> None:
    stops, ids = options.stop, options.stop_token_ids
    _check_most(len(stops), MAX_STOPS, "stop", "{field} has {value:,} texts; the limit is {most:,}")
    for index, stop in enumerate(stops):
        if not stop:
            raise InvalidInputError.at(f"stop[{index}]", "{field} is empty")
        check_length(stop, f"stop[{index}]", MAX_STOP_CHARACTERS)
    _check_most(len(ids), MAX_STOP_TOKENS, "stop_token_ids", "{field} has {value:,} ids; the limit is {most:,}")
    if ids and not (min(ids) >= 0 and max(ids) <= MAX_TOKEN_ID):
        raise InvalidInputError.at("stop_token_ids", "{field} has ids outside 0 to {limit:,}", limit=MAX_TOKEN_ID)


def _check_biases(sampling: Sampling) -> None:
    path, biases = "logit_bias", sampling.logit_bias
    _check_most(len(biases), MAX_BIASES, path, "{field} has {value:,} tokens; the limit is {most:,}")
    for token, bias in biases.items():
        if not 0 <= token <= MAX_TOKEN_ID:
            raise InvalidInputError.at(path, "{field} has ids outside 0 to {limit:,}", limit=MAX_TOKEN_ID)
        _check_range(bias, f"{path}[{token}]", -100.0, 100.0)


def _check_grammar(options: GenerationOptions) -> None:
    kind, source = options.grammar_kind, options.grammar_source
    if kind is None:
        return
    if kind not in GRAMMARS:
        raise InvalidInputError.at("grammar", "{field} must be one of {known}", known=", ".join(GRAMMARS))
    if kind != "json_object" and not source:
        raise InvalidInputError.at("grammar", "{field} is empty")
    _check_most(
        len(source.encode()),
        MAX_GRAMMAR_BYTES,
        "grammar",
        "{field} has {value:,} bytes; the limit is {most:,}",
    )


def _check_range(value: float | None, path: str, least: float, most: float) -> None:
    """NaN is in no range."""
    if value is not None and not (least <= value <= most and math.isfinite(value)):
        raise InvalidInputError.at(path, "{field} must be from {least:,} to {most:,}", least=least, most=most)


def _check_most(value: int, most: int, path: str, sentence: str) -> None:
    if value > most:
        raise InvalidInputError.at(path, sentence, value=value, most=most)


def _check_bytes(text: str, path: str, limits: Limits) -> None:
    if not text:
        raise InvalidInputError.at(path, "{field} is empty")
    limit = limits.max_prompt_bytes
    if len(text) * 4 > limit:
        _check_most(len(text.encode()), limit, path, "{field} has {value:,} bytes; the limit is {most:,}")


def _check_ids(ids: Sequence[int], path: str, limits: Limits) -> None:
    if not ids:
        raise InvalidInputError.at(path, "{field} is empty")
    _check_most(len(ids), limits.max_prompt_bytes, path, "{field} has {value:,} ids; the limit is {most:,}")
    if min(ids) < 0 or max(ids) > MAX_TOKEN_ID:
        raise InvalidInputError.at(path, "{field} has ids outside 0 to {limit:,}", limit=MAX_TOKEN_ID)
