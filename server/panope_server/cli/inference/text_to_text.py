"""Commands that make other texts of texts: summarize and translate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, print_json

if TYPE_CHECKING:
    from panope_client import GenerateOptions, TextToText

Texts = Annotated[list[str], typer.Argument(help="The texts.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="The most tokens of an answer.")]
Truncate = Annotated[bool, typer.Option("--truncate", help="Cut a text that is too long at its end.")]


def summarize(
    model: Model,
    texts: Texts,
    max_tokens: MaxTokens = None,
    truncate: Truncate = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Summarize texts, by a model with an encoder."""
    from panope.v1.generate_service_pb2 import TEXT_TASK_SUMMARIZATION, TextToText

    how = TextToText(task=TEXT_TASK_SUMMARIZATION, truncate=truncate)
    _print_answers(model, texts, how, max_tokens, address, json=json)


def translate(
    model: Model,
    texts: Texts,
    source: Annotated[str, typer.Option("--from", help="The language of the texts, as the model names it.")] = "",
    target: Annotated[str, typer.Option("--to", help="The language of the answers.")] = "",
    max_tokens: MaxTokens = None,
    truncate: Truncate = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Translate texts, by a model with an encoder."""
    from panope.v1.generate_service_pb2 import TEXT_TASK_TRANSLATION, TextToText

    how = TextToText(task=TEXT_TASK_TRANSLATION, source_language=source, target_language=target, truncate=truncate)
    _print_answers(model, texts, how, max_tokens, address, json=json)


def _print_answers(
    model: str, texts: list[str], how: TextToText, max_tokens: int | None, address: str | None, *, json: bool
) -> None:
    options: GenerateOptions = {"temperature": 0}  # the likeliest tokens, as transformers' pipelines take
    if max_tokens is not None:
        options["max_tokens"] = max_tokens
    with client_for(model, address) as client:
        answer = client.generate(texts, model, text_to_text=how, **options)
    answers = [completion.text for completion in answer.completions]
    if json:
        print_json([{"text": text, "answer": answer} for text, answer in zip(texts, answers, strict=True)])
        return
    for text in answers:
        console.print(text)
