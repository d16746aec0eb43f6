"""Commands that ask models that read texts: ask and fill-mask."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, note, print_json


def ask(
    model: Model,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    context: Annotated[
        str | None, typer.Option("--context", help="A file with the text that has the answer; - reads standard input.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option("--table", help="A CSV file with the table that has the answer, the names of its columns first."),
    ] = None,
    truncate: Annotated[
        bool,
        typer.Option("--truncate", help="With --table: leave out words and rows that the model cannot read at once."),
    ] = False,
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many answers to print.")] = 1,
    impossible: Annotated[
        bool, typer.Option("--impossible", help="Whether the text may have no answer; then an empty one is printed.")
    ] = False,
    address: Address = None,
    json: Json = False,
) -> None:
    """Answer a question by the part of a text that answers it, or by the cells of a table."""
    if (context is None) == (table is None):
        raise typer.BadParameter("give one of --context and --table", param_hint="--context")
    if table is not None:
        if impossible or top_k != 1:
            raise typer.BadParameter("goes with neither --top-k nor --impossible", param_hint="--table")
        _ask_table(address, model, question, _read_table(table), truncate=truncate, json=json)
        return
    if truncate:
        raise typer.BadParameter("goes with --table", param_hint="--truncate")
    text = _read(context or "")
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


def _ask_table(
    address: str | None, model: str, question: str, table: dict[str, Sequence[str]], *, truncate: bool, json: bool
) -> None:
    with client_for(model, address) as client:
        told = client.answer_table_question(table, [question], model, truncation="end" if truncate else "refuse")
    answer = told.answers[0]
    if json:
        print_json(
            {
                "answer": answer.answer,
                "coordinates": [[cell.row, cell.column] for cell in answer.cells],
                "cells": [cell.text for cell in answer.cells],
                "aggregator": answer.aggregator,
                "rows_read": answer.row_count,
            }
        )
        return
    rows = len(next(iter(table.values())))
    if answer.row_count < rows:
        note(f"the model read {answer.row_count:,} of the table's {rows:,} rows")
    console.print(answer.answer or "no answer")


def _read_table(name: str) -> dict[str, Sequence[str]]:
    """The cells of each column of a CSV file."""
    try:
        names, *rows = [row for row in csv.reader(io.StringIO(_read(name)), strict=True) if row]
    except (csv.Error, ValueError):
        fail(f"{name} is no CSV file with the names of its columns and rows", 2)
    if len(set(names)) < len(names):
        fail(f"{name} has two columns of one name", 2)
    for at, row in enumerate(rows):
        if len(row) != len(names):
            fail(f"{name} has {len(names):,} columns, and {len(row):,} cells in its row at {at:,}", 2)
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}", 2)
    try:
        return data.decode()
    except UnicodeDecodeError:
        fail(f"{name} is no text in UTF-8", 2)
