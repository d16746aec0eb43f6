"""Bodies of summaries and translations as inputs of task `generate`."""

from __future__ import annotations

from collections.abc import Mapping

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, Sampling, TextTask, TextToText
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.hugging_face.text_to_text.schemas import (
    SummaryBody,
    SummaryParameters,
    TextToTextGeneration,
    TranslationBody,
    TranslationParameters,
)
from panope_server.transport.rest.json.refusals import UNSUPPORTED_FIELD

_GENERATION = "parameters.generate_parameters"

_NAMES: Mapping[str, str] = {
    "prompts": "inputs",
    "text_to_text": "model",
    "source_language": "parameters.src_lang",
    "target_language": "parameters.tgt_lang",
    **{name: f"{_GENERATION}.{name}" for name in TextToTextGeneration.__struct_fields__},
    "max_tokens": f"{_GENERATION}.max_new_tokens",
    "min_tokens": f"{_GENERATION}.min_new_tokens",
}

#: What transformers takes out of texts, in its order.
_CLEANED = (
    *((" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s")),
    *((" 've", "'ve"), (" 're", "'re")),
)


def names_of(body: SummaryBody | TranslationBody) -> GenerationNames:
    """What a body calls the fields of its input."""
    return GenerationNames(_NAMES, single=isinstance(body.inputs, str))


def text_input(body: SummaryBody | TranslationBody, task: TextTask) -> GenerateInput:
    """What a body asks for.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    given = body.parameters or SummaryParameters()
    how = given.generate_parameters or TextToTextGeneration()
    _check(given, how)
    languages = given if isinstance(given, TranslationParameters) else TranslationParameters()
    return GenerateInput(
        prompts=[body.inputs] if isinstance(body.inputs, str) else body.inputs,
        options=GenerationOptions(
            sampling=_sampling(how), max_tokens=how.max_new_tokens, min_tokens=how.min_new_tokens or 0
        ),
        text_to_text=TextToText(
            task=task,
            source_language=languages.src_lang or "",
            target_language=languages.tgt_lang or "",
            truncate=given.truncation in ("longest_first", "only_first"),
            max_length=how.max_length or 0,
            min_length=how.min_length or 0,
        ),
    )


def cleaned(text: str, parameters: SummaryParameters | None) -> str:
    """An answer as the body wants it."""
    if parameters is not None and parameters.clean_up_tokenization_spaces:
        for blank, without in _CLEANED:
            text = text.replace(blank, without)
    return text


def _sampling(how: TextToTextGeneration) -> Sampling:
    says_how = any(value is not None for value in (how.temperature, how.top_k, how.top_p))
    draws = says_how if how.do_sample is None else how.do_sample
    return Sampling(
        temperature=how.temperature if draws else 0.0,
        top_k=how.top_k,
        top_p=how.top_p,
        repetition_penalty=how.repetition_penalty,
        seed=how.seed,
    )


def _check(given: SummaryParameters, how: TextToTextGeneration) -> None:
    if given.truncation == "only_second":
        raise _refusal("parameters.truncation", "cannot be `only_second`: there is one text")
    for name, usual, why in (
        ("num_beams", 1, "answers are drawn, not searched for"),
        ("early_stopping", False, "no beams are searched"),
        ("typical_p", 1, "use `top_p`"),
        ("use_cache", True, "nothing is computed twice"),
    ):
        if getattr(how, name) not in (None, usual):
            raise _refusal(f"{_GENERATION}.{name}", f"must be {str(usual).lower()}: {why}")
    for name in ("length", "new_tokens"):
        least, most = getattr(how, f"min_{name}"), getattr(how, f"max_{name}")
        if least and most and least > most:
            raise _refusal(f"{_GENERATION}.min_{name}", f"exceeds `max_{name}`", "")
    for end in ("min", "max"):
        if getattr(how, f"{end}_length") and getattr(how, f"{end}_new_tokens"):
            raise _refusal(f"{_GENERATION}.{end}_length", f"and `{end}_new_tokens` exclude each other", "")


def _refusal(field: str, complaint: str, reason: str = UNSUPPORTED_FIELD) -> InvalidInputError:
    return InvalidInputError(f"`{field}` {complaint}", field=field, reason=reason)
