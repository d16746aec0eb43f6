"""A body of Text Generation Inference as input of task `generate`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, GrammarKind, Sampling
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.generation.grammars import ResponseFormat, format_grammar
from panope_server.transport.rest.json.refusals import UNSUPPORTED_FIELD
from panope_server.transport.rest.text_generation.schemas import GenerateParameters, TextGenerationBody, TextGrammar

#: As Text Generation Inference has it.
DEFAULT_MAX_TOKENS = 100

_NAMES: Mapping[str, str] = {
    "prompts": "inputs",
    "max_tokens": "parameters.max_new_tokens",
    "logprobs": "parameters.top_n_tokens",
    "prompt_logprobs": "parameters.decoder_input_details",
    "truncate_prompt_tokens": "parameters.truncate",
    **{name: f"parameters.{name}" for name in GenerateParameters.__struct_fields__},
    **dict.fromkeys(("grammar", "grammar_kind", "grammar_source"), "parameters.grammar"),
}

#: What has the log-probabilities of tokens told.
DETAILS = "parameters.details"


def names_of(body: TextGenerationBody) -> GenerationNames:
    """What a body calls the fields of its input."""
    more = {} if body.parameters and body.parameters.top_n_tokens else {"logprobs": DETAILS}
    return GenerationNames({**_NAMES, **more}, single=True)


def text_generation_input(body: TextGenerationBody, *, stream: bool) -> GenerateInput:
    """What a body asks for.

    Args:
        body: of the request.
        stream: whether each token is sent when it exists.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    given = body.parameters or GenerateParameters()
    _check(given, stream)
    kind, source = _grammar(given.grammar)
    # Every token of an answer is told with its probability.
    told = given.top_n_tokens or 0 if stream or given.details else None
    stop = given.stop or given.stop_sequences or []
    options = GenerationOptions(
        sampling=_sampling(given),
        max_tokens=given.max_new_tokens or DEFAULT_MAX_TOKENS,
        stop=stop,
        logprobs=told,
        prompt_logprobs=0 if given.decoder_input_details else None,
        grammar_kind=kind,
        grammar_source=source,
        truncate_prompt_tokens=given.truncate,
        include_stop=bool(stop),
    )
    return GenerateInput(prompts=[body.inputs], stream=stream, options=options)


def _sampling(given: GenerateParameters) -> Sampling:
    says_how = any(value is not None for value in (given.temperature, given.top_k, given.top_p))
    return Sampling(
        temperature=given.temperature if given.do_sample or says_how else 0.0,
        top_k=given.top_k,
        top_p=given.top_p,
        repetition_penalty=given.repetition_penalty,
        frequency_penalty=given.frequency_penalty,
        seed=given.seed,
    )


def _grammar(given: TextGrammar | None) -> tuple[GrammarKind | None, str]:
    if given is None:
        return None, ""
    value = given.value
    if given.type == "json_schema":
        value = _named_schema(value)
    shape = ResponseFormat(type="regex" if given.type == "regex" else "json", value=value)
    try:
        kind, source, _ = format_grammar(shape, "parameters.grammar")
    except InvalidInputError as error:
        raise InvalidInputError(error.message, field="parameters.grammar.value") from None
    return kind, source


def _named_schema(value: Raw) -> Raw:
    """The schema of `{"name", "schema"}`, or the value itself."""
    try:
        named = msgspec.json.decode(value, type=dict[str, Raw])
    except msgspec.ValidationError:
        return value
    return named["schema"] if named.keys() <= {"name", "schema"} and "schema" in named else value


def _check(given: GenerateParameters, stream: bool) -> None:
    if given.stop and given.stop_sequences and given.stop != given.stop_sequences:
        raise _refusal("stop_sequences", "and `parameters.stop` differ", "")
    if given.decoder_input_details and stream:
        raise _refusal("decoder_input_details", "is told without `stream` alone", "")
    if given.decoder_input_details and not given.details:
        raise _refusal("decoder_input_details", "has no effect without `parameters.details`: true", "")
    if given.top_n_tokens and not (given.details or stream):
        raise _refusal("top_n_tokens", "has no effect without `parameters.details`: true", "")
    if given.best_of not in (None, 1):
        raise _refusal("best_of", "must be 1: answers are drawn, not searched for")
    if given.typical_p not in (None, 1):
        raise _refusal("typical_p", "must be 1: use `parameters.top_p`")
    if given.watermark:
        raise _refusal("watermark", "must be `false`")
    if given.adapter_id is not None:
        raise _refusal("adapter_id", "is refused: name the adapter's model in `model`")


def _refusal(name: str, complaint: str, reason: str = UNSUPPORTED_FIELD) -> InvalidInputError:
    field = f"parameters.{name}"
    return InvalidInputError(f"`{field}` {complaint}", field=field, reason=reason)
