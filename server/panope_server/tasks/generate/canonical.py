"""Which answers are always alike, and what they depend on."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from panope_server.tasks.generate.types import GenerateInput, GenerateSpec, Sampling
from panope_server.tasks.task import Canonical

_TOKEN_BYTES = 4


def canonical_form(task_input: GenerateInput, facts: object) -> Canonical | None:
    """What the answers depend on; None where they are drawn by chance, or nobody knows yet whether they are.

    At temperature 0 the likeliest token is taken, and with a seed the draws are the same each time. Where a model
    computes in less than 32 bits, which other calls run beside one can move a logit that is as good as another; an
    answer is then one of those that the call may get, and stays it.

    Args:
        task_input: validated.
        facts: what the model has told of itself, its default temperature among it.
    """
    options = task_input.options
    if options.sampling.seed is None and _temperature(options.sampling, facts) != 0:
        return None
    sampling = replace(options.sampling, logit_bias=dict(sorted(options.sampling.logit_bias.items())))
    asked = replace(task_input, stream=False, first_index=0, options=replace(options, sampling=sampling, priority=0))
    conversation = task_input.conversation
    size = asked_bytes(task_input)
    if conversation is not None:
        size += sum(image.size_bytes for image in conversation.images)
    return Canonical((), [asked], size)


def asked_bytes(task_input: GenerateInput) -> int:
    """How much is asked beside images, in bytes, about: a token has four."""
    size = len(task_input.suffix) + sum(map(len, task_input.prompts))
    size += _TOKEN_BYTES * sum(map(len, task_input.prompt_token_ids))
    if (conversation := task_input.conversation) is not None:
        size += len(conversation.messages) + len(conversation.tools)
    return size


def _temperature(sampling: Sampling, facts: object) -> float | None:
    """As the call says, else the model's files; None for what its engine takes."""
    if sampling.temperature is not None:
        return sampling.temperature
    if not isinstance(facts, GenerateSpec) or not facts.defaults:
        return None
    value = msgspec.json.decode(facts.defaults).get("temperature")
    return float(value) if isinstance(value, int | float) else None
