"""The fields that bodies of OpenAI's routes have in common, those of other servers' clients included."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerationOptions, Sampling
from panope_server.transport.rest.generation.grammars import GrammarFields, grammar_of

_Id = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
_Stop = Annotated[str, Meta(min_length=1, max_length=256)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]

#: OpenAI's clients tell the model that the server has; these are what clients write who know none.
_ANY_MODEL = ("dummy", "tgi")


class StreamOptions(Struct, forbid_unknown_fields=True):
    """How an answer is streamed.

    Attributes:
        include_usage: Whether a last chunk tells what the call took.
        include_obfuscation: Only `false`: nothing is added to hide lengths.
        continuous_usage_stats: Only `false`: usage is known at the end.
    """

    include_usage: bool = False
    include_obfuscation: bool = False
    continuous_usage_stats: bool = False


class GenerationFields(GrammarFields, forbid_unknown_fields=True, kw_only=True):
    """How answers are generated.

    Attributes:
        model: The model's name or an alias; absent, or `dummy`, for the default model.
        stream: Whether each piece of the answer is sent when it exists, as server-sent events.
        stream_options: How they are sent.
        n: Answers to each prompt. Default: 1.
        max_tokens: The most tokens of one answer.
        min_tokens: Tokens before which no stop ends an answer. Default: 0.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Only the likeliest tokens that together have this probability.
        top_k: Only the likeliest so many; 0 or -1 for all.
        min_p: Only tokens with this part of the likeliest's probability.
        presence_penalty: Taken off the logits of tokens that the answer has.
        frequency_penalty: Taken off once for each time that the answer has the token.
        repetition_penalty: Divides positive logits, and multiplies negative ones, of tokens that were there before.
        logit_bias: Added to the logits, by token id.
        seed: Draws the same tokens each time.
        stop: A text, or texts, that end an answer.
        stop_token_ids: Tokens that end an answer, beside the model's own.
        include_stop_str_in_output: Whether an answer keeps the stop text that ended it.
        ignore_eos: Whether the model's end-of-sequence token does not end an answer.
        skip_special_tokens: Whether special tokens have no text. Default: true.
        spaces_between_special_tokens: Only `true`.
        prompt_logprobs: How many likeliest tokens are told beside each token of the prompt.
        truncate_prompt_tokens: Keep only so many tokens at the end of a longer prompt. Default: it is refused.
        priority: As vLLM has it: requests with a lower one are taken first.
        hardware: Backends that may run the call, the most wanted first, or such words as `cuda`; as the header
            `x-panope-hardware`, in a text with commas or a list.
        cache_salt: Only calls of an equal salt share what was computed of prompts that begin alike. Default: shared by
            all that have none.
        num_assistant_tokens: Tokens of a draft that is taken from the prompt and the answer so far; answers are the
            same. Default: as the server is set, most often none.
        max_ngram_size: The most tokens that are looked for to find a draft. Default: 3.
        user: Whom the caller asks for; goes into the log of the call as `end_user` and nowhere else.
        safety_identifier: The newer name of `user`.
        prompt_cache_key: Has no effect: prefixes that were computed are found whoever sent them; see `cache_salt`.
    """

    model: Annotated[str, Meta(min_length=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    min_tokens: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=(1 << 31) - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None
    logit_bias: Annotated[dict[_Id, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=1024)] | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=16)] | None = None
    stop_token_ids: Annotated[list[_Id], Meta(max_length=256)] | None = None
    include_stop_str_in_output: bool | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    prompt_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncate_prompt_tokens: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)] | None = None
    priority: Annotated[int, Meta(ge=-100, le=100)] | None = None
    hardware: str | list[str] | None = None
    cache_salt: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    num_assistant_tokens: Annotated[int, Meta(ge=0, le=16)] | None = None
    max_ngram_size: Annotated[int, Meta(ge=1, le=8)] | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=256)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=256)] | None = None


#: What these bodies call the fields of GenerateInput.
NAMES = {
    "include_stop": "include_stop_str_in_output",
    "lookup_tokens": "num_assistant_tokens",
    "lookup_max_ngram": "max_ngram_size",
}


def options_of(body: GenerationFields, *, logprobs: int | None) -> GenerationOptions:
    """How a body wants its answers generated.

    Raises:
        InvalidInputError: fields that exclude each other, or that cannot be honoured.
    """
    _check(body)
    kind, source, _ = grammar_of(body)
    stop = [body.stop] if isinstance(body.stop, str) else body.stop
    return GenerationOptions(
        sampling=_sampling(body),
        max_tokens=body.max_tokens,
        min_tokens=body.min_tokens or 0,
        n=body.n or 1,
        stop=stop or [],
        stop_token_ids=body.stop_token_ids or [],
        include_stop=bool(body.include_stop_str_in_output),
        ignore_eos=bool(body.ignore_eos),
        skip_special_tokens=body.skip_special_tokens is not False,
        logprobs=logprobs,
        prompt_logprobs=body.prompt_logprobs,
        grammar_kind=kind,
        grammar_source=source,
        priority=-(body.priority or 0),
        truncate_prompt_tokens=body.truncate_prompt_tokens,
        cache_salt=body.cache_salt or "",
        lookup_tokens=body.num_assistant_tokens,
        lookup_max_ngram=body.max_ngram_size or 3,
    )


def named_model(name: str | None) -> str:
    """The model of a name that a client wrote; empty for the default one."""
    return "" if name is None or name in _ANY_MODEL else name


def names_of(body: GenerationFields) -> dict[str, str]:
    """What the body calls the fields of GenerateInput."""
    _, _, where = grammar_of(body)
    return {**NAMES, **dict.fromkeys(("grammar", "grammar_kind", "grammar_source"), where)}


def _sampling(body: GenerationFields) -> Sampling:
    return Sampling(
        temperature=body.temperature,
        top_k=None if body.top_k is None else max(body.top_k, 0),
        top_p=body.top_p,
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=body.logit_bias or {},
        seed=body.seed,
    )


def _check(body: GenerationFields) -> None:
    if body.spaces_between_special_tokens is False:
        raise _refusal("spaces_between_special_tokens", "must be `true`: texts are as the tokenizer writes them")
    if body.max_ngram_size is not None and not body.num_assistant_tokens:
        raise _refusal("max_ngram_size", "has no effect without `num_assistant_tokens`")
    if body.prompt_logprobs is not None and body.stream:
        raise _refusal("prompt_logprobs", "is not told in events; leave `stream` out")
    options = body.stream_options
    if options is None:
        return
    if not body.stream:
        raise _refusal("stream_options", "has no effect without `stream`: true")
    if options.include_obfuscation:
        raise _refusal("stream_options.include_obfuscation", "must be `false`: nothing is added to hide lengths")
    if options.continuous_usage_stats:
        raise _refusal("stream_options.continuous_usage_stats", "must be `false`: usage is known at the end")


def _refusal(name: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{name}` {complaint}", field=name)
