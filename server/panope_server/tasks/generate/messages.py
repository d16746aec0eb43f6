"""Inputs and outputs of task `generate` to and from the worker's messages."""

from __future__ import annotations

from collections.abc import Iterable

from panope.worker.v1 import generate_pb2 as messages
from panope_server.tasks.generate.types import (
    Conversation,
    FinishReason,
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateSpec,
    GenerateUsage,
    Logprob,
    TextToText,
    TokenLogprobs,
    ToolCallDelta,
)
from panope_server.tasks.texts import sequence_messages
from panope_server.tasks.vision.images import image_messages

#: As the message and the types have them; None there is for unset.
_SAMPLING = (
    *("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
    *("logit_bias", "seed"),
)
_OPTIONS = (
    *("max_tokens", "min_tokens", "n", "stop", "stop_token_ids", "include_stop", "ignore_eos", "skip_special_tokens"),
    *("logprobs", "prompt_logprobs", "grammar_kind", "grammar_source", "priority", "truncate_prompt_tokens"),
    *("cache_salt", "lookup_tokens", "lookup_max_ngram"),
)
_FINISHES: dict[str, FinishReason | None] = {"": None, "stop": "stop", "length": "length", "tool_calls": "tool_calls"}


def input_message(task_input: GenerateInput) -> messages.GenerateInput:
    """The message to the worker."""
    options = task_input.options
    conversation = task_input.conversation
    return messages.GenerateInput(
        prompts=task_input.prompts,
        prompt_token_ids=sequence_messages(task_input.prompt_token_ids),
        conversation=None if conversation is None else conversation_message(conversation),
        add_special_tokens=task_input.add_special_tokens,
        echo=task_input.echo,
        stream=task_input.stream,
        first_index=task_input.first_index,
        suffix=task_input.suffix,
        text_to_text=None if task_input.text_to_text is None else _text_message(task_input.text_to_text),
        **{name: getattr(options.sampling, name) for name in _SAMPLING},
        **{name: getattr(options, name) for name in _OPTIONS},
    )


def output_of(message: messages.GenerateOutput) -> GenerateOutput:
    """A part of the answers; slices of what is repeated in messages cost a tenth of what iterating costs."""
    return GenerateOutput(
        [_delta_of(delta) for delta in message.deltas[:]],
        _usage_of(message.usage) if message.HasField("usage") else None,
        message.prompt_tokens,
    )


def spec_of(facts: messages.GenerateFacts) -> GenerateSpec:
    """What a worker has told of its model."""
    return GenerateSpec(
        max_positions=facts.max_positions,
        vocab_size=facts.vocab_size,
        slots=facts.slots,
        has_chat_template=facts.has_chat_template,
        has_tools=facts.has_tools,
        has_reasoning=facts.has_reasoning,
        template_kwargs=tuple(facts.template_kwargs),
        honoured=frozenset(facts.honoured),
        defaults=facts.defaults_json,
        eos_token_ids=tuple(facts.eos_token_ids),
        cache_precision=facts.cache_precision,
        cache_tokens=facts.cache_tokens,
        max_source_length=facts.max_source_length,
        languages=tuple(facts.languages),
        ignored_defaults=tuple(facts.ignored_defaults),
    )


def _text_message(asked: TextToText) -> messages.TextToText:
    return messages.TextToText(
        task=asked.task or "",
        source_language=asked.source_language,
        target_language=asked.target_language,
        truncate=asked.truncate,
        max_length=asked.max_length,
        min_length=asked.min_length,
    )


def conversation_message(conversation: Conversation) -> messages.Conversation:
    """The conversation for a worker."""
    return messages.Conversation(
        messages_json=conversation.messages,
        tools_json=conversation.tools,
        tool_choice=conversation.tool_choice,
        parallel_tool_calls=conversation.parallel_tool_calls,
        template_kwargs_json=conversation.template_kwargs,
        continue_final_message=conversation.continue_final_message,
        images=image_messages(conversation.images),
    )


def _delta_of(message: messages.GenerateDelta) -> GenerateDelta:
    """Most have a text and a token alone: every token of every answer comes this way."""
    delta = GenerateDelta(message.prompt_index, message.index, message.text, token_ids=message.token_ids[:])
    if message.reasoning:
        delta.reasoning = message.reasoning
    if message.tool_calls:
        delta.tool_calls = [
            ToolCallDelta(call.index, call.id, call.name, call.arguments) for call in message.tool_calls
        ]
    if message.logprobs:
        delta.logprobs = _logprobs_of(message.logprobs)
    if message.prompt_logprobs:
        delta.prompt_logprobs = _logprobs_of(message.prompt_logprobs)
    if message.first_prompt_token:
        delta.first_prompt_token = message.first_prompt_token
    if message.finish_reason:
        delta.finish_reason = _FINISHES.get(message.finish_reason)
    delta.stop = _stop_of(message)
    return delta


def _usage_of(usage: messages.GenerateUsage) -> GenerateUsage:
    return GenerateUsage(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens)


def _stop_of(message: messages.GenerateDelta) -> str | int | None:
    match message.WhichOneof("stop"):
        case "stop_text":
            return message.stop_text
        case "stop_token_id":
            return message.stop_token_id
        case _:
            return None


def _logprobs_of(found: Iterable[messages.TokenLogprobs]) -> list[TokenLogprobs]:
    return [TokenLogprobs(_logprob_of(each.chosen), [_logprob_of(top) for top in each.top]) for each in found]


def _logprob_of(message: messages.Logprob) -> Logprob:
    return Logprob(message.token_id, message.text, message.logprob)
