"""A made-up model that generates: it says each word of a script, and what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import (
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    Logprob,
    TokenLogprobs,
)

WORDS = ("Hel", "lo", " wörld")


@dataclass
class Script:
    """What the model does.

    Attributes:
        deltas: in place of the words, of each answer.
        failure: raised in the middle of the answer.
        usage: of the call.
        unsupported: a field that the model's engine does not honour; empty for none.
    """

    deltas: list[GenerateDelta] = field(default_factory=list)
    failure: Exception | None = None
    unsupported: str = ""
    usage: GenerateUsage = field(default_factory=lambda: GenerateUsage(7, 3, 2, 0))


async def parts_of(script: Script, task_input: GenerateInput) -> AsyncIterator[GenerateOutput]:
    """The parts of an answer: all at once, or a word at a time for each answer."""
    if script.unsupported and getattr(task_input.options, script.unsupported) is not None:
        raise InvalidInputError.at(script.unsupported, "the model has no {field}", reason="unsupported_field")
    answers = [each for prompt in _prompts(task_input) for each in _answers(script, task_input, *prompt)]
    if not task_input.stream:
        if script.failure is not None:
            raise script.failure
        yield GenerateOutput([_joined(deltas) for deltas in reversed(answers)], script.usage)
        return
    for step in range(max(map(len, answers))):
        yield GenerateOutput([deltas[step] for deltas in answers if step < len(deltas)])
        if script.failure is not None:
            raise script.failure
    yield GenerateOutput([], script.usage)


def _prompts(task_input: GenerateInput) -> list[tuple[int, str]]:
    told = task_input.prompts or [" ".join(f"<{token}>" for token in ids) for ids in task_input.prompt_token_ids]
    return list(enumerate(told or [""]))


def _answers(script: Script, task_input: GenerateInput, prompt: int, text: str) -> list[list[GenerateDelta]]:
    options = task_input.options
    answers = []
    for index in range(options.n):
        if script.deltas:
            answers.append([GenerateDelta(**_fields(delta, prompt, index)) for delta in script.deltas])
            continue
        words = WORDS[: options.max_tokens]
        deltas = [
            GenerateDelta(prompt, index, word, token_ids=[number], logprobs=_logprobs(word, number, options.logprobs))
            for number, word in enumerate(words, 10)
        ] or [GenerateDelta(prompt, index)]
        if task_input.echo:
            deltas[0].text = text + deltas[0].text
        if options.prompt_logprobs is not None and index == 0:
            deltas[0].first_prompt_token, rest = text.encode()[:1], text.encode()[1:]
            deltas[0].prompt_logprobs = _logprobs(rest.decode(errors="replace"), 5, options.prompt_logprobs)
        deltas[-1].finish_reason = "stop" if len(words) == len(WORDS) else "length"
        answers.append(deltas)
    return answers


def _fields(delta: GenerateDelta, prompt: int, index: int) -> dict[str, object]:
    told = {name: getattr(delta, name) for name in delta.__slots__}
    return {**told, "prompt_index": prompt, "index": index}


def _logprobs(word: str, number: int, top: int | None) -> list[TokenLogprobs]:
    if top is None:
        return []
    likely = [Logprob(number, word.encode(), -0.25), Logprob(99, b"x", -1.5)]
    return [TokenLogprobs(likely[0], likely[:top])]


def _joined(deltas: list[GenerateDelta]) -> GenerateDelta:
    whole = GenerateDelta(deltas[0].prompt_index, deltas[0].index)
    for delta in deltas:
        whole.text += delta.text
        whole.reasoning += delta.reasoning
        whole.token_ids += delta.token_ids
        whole.logprobs += delta.logprobs
        whole.prompt_logprobs += delta.prompt_logprobs
        whole.first_prompt_token += delta.first_prompt_token
        for call in delta.tool_calls:
            if call.id:
                whole.tool_calls.append(type(call)(call.index, call.id, call.name))
            whole.tool_calls[call.index].arguments += call.arguments
        whole.finish_reason, whole.stop = delta.finish_reason, delta.stop
    return whole
