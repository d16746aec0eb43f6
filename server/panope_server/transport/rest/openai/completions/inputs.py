"""A completion's body as input of task `generate`."""

from __future__ import annotations

from collections.abc import Mapping

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateInput
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.embedding.inputs import Input
from panope_server.transport.rest.generation.fields import names_of, options_of
from panope_server.transport.rest.openai.completions.schemas import CompletionBody

#: As OpenAI has it.
DEFAULT_MAX_TOKENS = 16

_PROMPTS: Mapping[str, str] = {"prompts": "prompt", "prompt_token_ids": "prompt"}


def completion_input(body: CompletionBody, given: Input) -> GenerateInput:
    """What a body asks for.

    Args:
        body: of the request.
        given: its prompts.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    options = options_of(body, logprobs=body.logprobs)
    options.max_tokens = DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    if body.max_tokens == 0 and not body.echo:
        raise InvalidInputError("`max_tokens` must be at least 1 without `echo`", field="max_tokens")
    if body.echo and body.logprobs is not None and options.prompt_logprobs is None:
        options.prompt_logprobs = body.logprobs
    return GenerateInput(
        prompts=given.texts,
        prompt_token_ids=given.token_sequences,
        add_special_tokens=body.add_special_tokens is not False,
        echo=bool(body.echo),
        suffix=body.suffix or "",
        stream=bool(body.stream),
        options=options,
    )


def completion_names(body: CompletionBody, given: Input) -> GenerationNames:
    """What a body calls the fields of its input."""
    names = {**names_of(body), **_PROMPTS}
    if body.prompt_logprobs is None:
        names["prompt_logprobs"] = "logprobs"
    return GenerationNames(names, single=given.single)
