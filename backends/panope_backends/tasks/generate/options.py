"""A request's options with the model's defaults, as the model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panope.worker.v1.generate_pb2 import GenerateInput
from panope_backends.api import GenerationRequest, Grammar, GrammarKind, SamplingParams
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.text_to_text import TextForm

_SAMPLING = (
    *("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
    *("no_repeat_ngram_size", "seed"),
)
#: Added to the logit of a token that is not to be drawn; a logit_bias is a finite number.
_NEVER = -1e9
_OPTIONAL: Sequence[Any] = (
    *("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
    "seed",
)

#: Where a request does not say; as `GenerationRequest` has it.
_MAX_NGRAM = 3


def request_of(
    message: GenerateInput, defaults: GenerationDefaults, form: TextForm | None = None, **prompt: Any
) -> GenerationRequest:
    """What the model is asked of one prompt.

    Args:
        message: the server's.
        defaults: of the model.
        form: what the text became for an encoder.
        prompt: `prompt` or `prompt_token_ids`.

    Raises:
        InvalidInputError: a field is out of its range; `field` is its name.
    """
    form = form or TextForm()
    most = max_tokens_of(message, defaults)
    if form.max_tokens is not None and not message.HasField("max_tokens"):
        most = form.max_tokens
    least = form.min_tokens or int(defaults.values.get("min_tokens", 0))
    least = least if most is None else min(least, most)
    return GenerationRequest(
        id=0,
        sampling=sampling_of(message, defaults),
        max_tokens=most,
        min_tokens=message.min_tokens or least,
        decoder_token_ids=form.decoder_token_ids,
        n=message.n or 1,
        stop=tuple(message.stop),
        stop_token_ids=tuple(message.stop_token_ids),
        include_stop=message.include_stop,
        ignore_eos=message.ignore_eos,
        forced_eos_token_ids=defaults.forced_eos_token_ids,
        skip_special_tokens=message.skip_special_tokens,
        logprobs=_optional(message, "logprobs"),
        prompt_logprobs=_optional(message, "prompt_logprobs"),
        grammar=grammar_of(message),
        priority=message.priority,
        cache_salt=message.cache_salt,
        lookup_tokens=_optional(message, "lookup_tokens"),
        lookup_max_ngram=message.lookup_max_ngram or _MAX_NGRAM,
        given=frozenset(name for name in _OPTIONAL if message.HasField(name)),
        **prompt,
    )


def sampling_of(message: GenerateInput, defaults: GenerationDefaults) -> SamplingParams:
    """How tokens are drawn: as the request says, else as the model's files do."""
    values: dict[str, Any] = {name: value for name, value in defaults.values.items() if name in _SAMPLING}
    given = {field.name: value for field, value in message.ListFields()}  # optional ones only where they are set
    values |= {name: given[name] for name in _OPTIONAL if name in given}
    suppressed = dict.fromkeys(defaults.suppressed_token_ids, _NEVER)
    return SamplingParams(logit_bias={**suppressed, **message.logit_bias}, **values)


def max_tokens_of(message: GenerateInput, defaults: GenerationDefaults) -> int | None:
    """The most tokens of an answer; 1, which is dropped, for those who want the prompt alone."""
    if not message.HasField("max_tokens"):
        found = defaults.values.get("max_tokens")
        return None if found is None else int(found)
    return message.max_tokens or 1


def grammar_of(message: GenerateInput) -> Grammar | None:
    """What the answer must match."""
    if not message.grammar_kind:
        return None
    return Grammar(GrammarKind(message.grammar_kind), message.grammar_source)


def _optional(message: GenerateInput, name: Any) -> int | None:
    return getattr(message, name) if message.HasField(name) else None
