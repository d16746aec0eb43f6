"""Commands that ask models that read texts: ask and fill-mask."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, print_json


def ask(
    model: Model,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    context: Annotated[
        str, typer.Option("--context", help="A file with the text that has the answer; - reads standard input.")
    ],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many answers to print.")] = 1,
    impossible: Annotated[
        bool, typer.Option("--impossible", help="Whether the text may have no answer; then an empty one is printed.")
    ] = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Answer a question by the part of a text that answers it."""
    text = _read(context)
    with client_for(model, address) as client:
        told = client.answer_question([question], [text], model, top_k=top_k, handle_impossible_answer=impossible)
    answers = told.questions[0].answers
    if json:
        print_json([{"answer": a.answer, "score": a.score, "start": a.start, "end": a.end} for a in answers])
        return
    for found in answers:
        console.print(f"{found.score:.4f}  {found.answer or 'no answer'}")


def fill_mask(
    model: Model,
    texts: Annotated[list[str], typer.Argument(help="Texts with masks, such as `[MASK]` or `<mask>`.")],
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many tokens to print of each mask.")] = 5,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="A token that may fill it, and no other; may be repeated.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Print what most likely fills the masks of texts."""
    with client_for(model, address) as client:
        told = client.fill_mask(texts, model, top_k=top_k, targets=target or ())
    if json:
        print_json(
            [
                [
                    [
                        {"token": f.token_id, "token_str": f.token, "score": f.score, "sequence": f.sequence}
                        for f in mask.fillings
                    ]
                    for mask in text.masks
                ]
                for text in told.texts
            ]
        )
        return
    for text in told.texts:
        for mask in text.masks:
            for found in mask.fillings:
                console.print(f"{found.score:.4f}  {found.token!r}  {found.sequence}")


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}", 2)
    try:
        return data.decode()
    except UnicodeDecodeError:
        fail(f"{name} is no text in UTF-8", 2)
