"""Questions about tables: seeded tiny models answer as transformers' pipeline does, token for token."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import text_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.table_question_answer.flattening import Table, TableTokens
from panope_backends.tasks.table_question_answer.tokenizing import read_table_files
from panope_backends.tasks.table_question_answer.values import Values
from panope_backends.tasks.task import ArrayJob
from panope_backends.testing.serving import served
from panope_backends.testing.tables import tiny_table_reader
from panope_backends.worker.loading import ServedModel

PEOPLE = {
    "name": ["ada lovelace", "Alan Turing", "grace hopper", ""],
    "born": ["10 december 1815", "23 june 1912", "december 9, 1906", "n/a"],
    "letters": ["1,204", "77", "6.5", "?"],
}
QUESTIONS = ["who was born in june 1912?", "which name has more than 77 letters?", "how many?", "?"]


def load(folder: Path, task: str = "table-question-answer") -> ServedModel:
    return served(folder, task)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a model."""

    def make(**options: Any) -> Path:
        folder = tmp_path_factory.mktemp("tapas")
        tiny_table_reader(folder, **options)
        return folder

    return make


def message_of(
    table: dict[str, list[str]], questions: Sequence[str], *, sequential: bool = False, truncation: str = "end"
) -> messages.TableQuestionInput:
    rows = [messages.TableRow(cells=cells) for cells in zip(*table.values(), strict=True)]
    return messages.TableQuestionInput(
        columns=list(table), rows=rows, questions=questions, sequential=sequential, truncation=truncation
    )


def ask(model: ServedModel, message: messages.TableQuestionInput) -> messages.TableQuestionOutput:
    """Runs a request, each round's items together where they are of one shape."""
    job = model.requests["table-question-answer"](message.SerializeToString())
    assert isinstance(job, ArrayJob)
    assert model.arrays is not None
    items = job.items
    rows: list[Any] = []
    while items:
        alike = len({item.shape for item in items}) == 1
        batches = [items] if alike else [[item] for item in items]
        rows = [row for batch in batches for row in model.arrays.run(batch)]
        items = job.next_items(rows)
    return messages.TableQuestionOutput.FromString(job.answer(rows))


def told(answer: messages.TableAnswer) -> dict[str, Any]:
    """As transformers' pipeline has it."""
    coordinates = [(cell.row, cell.column) for cell in answer.cells]
    found = {"answer": answer.answer, "coordinates": coordinates, "cells": [cell.text for cell in answer.cells]}
    return found | ({"aggregator": answer.aggregator} if answer.aggregator else {})


def by_transformers(folder: Path, table: dict[str, list[str]], questions: Sequence[str], **options: Any) -> list[Any]:
    import transformers

    tokenizer = transformers.TapasTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTableQuestionAnswering.from_pretrained(folder)
    pipeline = transformers.pipeline("table-question-answering", model=model, tokenizer=tokenizer)
    # A table and a list of its own each time: the pipeline takes the table out of what it is given.
    answers = pipeline(table=table, query=list(questions), **options)
    return answers if isinstance(answers, list) else [answers]


@pytest.mark.parametrize(("seed", "aggregators"), [(0, True), (0, False), (2, True)])
def test_answers_cells_and_aggregators_are_those_of_transformers(
    made: Callable[..., Path], seed: int, aggregators: bool
) -> None:
    folder = made(seed=seed, aggregators=aggregators)
    model = load(folder)
    found = ask(model, message_of(PEOPLE, QUESTIONS))
    assert list(map(told, found.answers)) == by_transformers(folder, PEOPLE, QUESTIONS)
    assert {answer.row_count for answer in found.answers} == {4}
    assert not found.truncated_indices
    assert any(answer.cells for answer in found.answers)
    model.model.close()


@pytest.mark.parametrize("seed", [0, 2])
def test_questions_in_sequence_know_the_answer_before(made: Callable[..., Path], seed: int) -> None:
    folder = made(seed=seed, reset_position_index_per_cell=bool(seed))
    model = load(folder)
    found = ask(model, message_of(PEOPLE, QUESTIONS, sequential=True))
    assert list(map(told, found.answers)) == by_transformers(folder, PEOPLE, QUESTIONS, sequential=True)
    model.model.close()


LONG = {"name": [f"ada grace {at}" for at in range(40)], "age": [str(at * 7 % 50) for at in range(40)]}


def test_words_and_rows_that_do_not_fit_are_left_out_or_refused(made: Callable[..., Path]) -> None:
    folder = made(tokenizer={"model_max_length": 64})
    model = load(folder)
    found = ask(model, message_of(LONG, QUESTIONS[:2]))
    assert list(map(told, found.answers)) == by_transformers(folder, LONG, QUESTIONS[:2])
    assert all(0 < answer.row_count < 40 for answer in found.answers)
    assert list(found.truncated_indices) == [0, 1]
    with pytest.raises(InvalidInputError, match="and the whole table do not fit into 64 tokens and 63 rows"):
        ask(model, message_of(LONG, QUESTIONS[:2], truncation="refuse"))
    with pytest.raises(InvalidInputError, match="and the names of the table's columns do not fit") as refused:
        ask(model, message_of({"age": ["7"]}, ["how old " * 40]))
    assert refused.value.field == "questions[0]"
    wide = {f"{at}": ["7"] for at in range(64)}
    with pytest.raises(InvalidInputError, match="`table` has 64 columns; the model takes at most 63"):
        ask(model, message_of(wide, QUESTIONS[:1]))
    model.model.close()


CELLS: Sequence[Callable[[random.Random], str]] = (
    lambda draw: str(draw.choice([draw.randint(-50, 5000), round(draw.random() * 100, 2)])),
    lambda draw: draw.choice(["7 february 1967", "10 june 1996", "1967", "june 1996", "1996-06-10", "June", "3rd"]),
    lambda draw: " ".join(draw.choices(["Ada", "o'ne two", "n/a", "?", "  ", "é à ü", "日本", "first", "-"], k=2)),
    lambda draw: f"$ {draw.randint(1, 9)},{draw.randint(100, 999)}.50",
    lambda _: "",
)
SETTINGS: Sequence[dict[str, Any]] = (
    *({"model_max_length": size} for size in (24, 40, 64, 512)),
    {"model_max_length": 40, "cell_trim_length": 2},
    {"max_row_id": 4},
    {"strip_column_names": True},
    {"do_lower_case": False},
)


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_tokens_and_their_seven_types_are_those_of_transformers(made: Callable[..., Path], number: int) -> None:
    from pandas import DataFrame
    from transformers import TapasTokenizer

    folder = made(tokenizer=SETTINGS[number])
    files, library, values, same = read_table_files(folder), TapasTokenizer.from_pretrained(folder), Values(), 0
    for seed in range(6):
        draw = random.Random(seed)
        columns = [f"{draw.choice(['name', 'Age', 'born in'])} {at}" for at in range(draw.randint(1, 4))]
        kinds = [draw.choices(CELLS, k=draw.choice([1, 1, 3])) for _ in columns]
        rows = [[draw.choice(kind)(draw) for kind in kinds] for _ in range(draw.randint(1, 9))]
        question = draw.choice(["how many is 56?", "who was two in june 1996", "more than 45 and 1967?", "?"])
        wanted = library(DataFrame(rows, columns=columns), question, truncation="drop_rows_to_fit")
        found = TableTokens(Table(columns, rows), files, values).flat(question, truncate=True)
        if len(wanted["input_ids"]) > files.max_tokens:  # names that do not fit, which transformers' model cannot read
            assert found is None
            continue
        assert found is not None
        assert found.ids.tolist() == wanted["input_ids"], (seed, rows)
        assert found.types.tolist() == wanted["token_type_ids"], (seed, rows)
        same += 1
    assert same >= 3


def test_a_question_full_of_numbers_and_dates_relates_to_cells_as_one_after_another_does() -> None:
    """However many there are, a column is gone through once for each way to compare them."""
    values, draw = Values(), random.Random(4)
    asked_for, cells = (
        ("{n}", "{n} june", "june 19{n}", "{n} december 1912", "19{n}"),
        ("{n}", "{n}.5", "may {n}, 19{n}"),
    )
    for cell in (*cells, "june {n}"):
        column = values.of_column([cell.format(n=draw.randint(10, 30)) for _ in range(20)])
        asked = values.of_question(
            " and ".join(draw.choice(asked_for).format(n=draw.randint(10, 30)) for _ in range(40))
        )
        one_by_one: dict[int, int] = {}
        for each in asked:
            for row, bits in values.relations(column, [each]).items():
                one_by_one[row] = one_by_one.get(row, 0) | bits
        assert values.relations(column, asked) == one_by_one
    compared = 0
    key = values._tapas.get_numeric_sort_key_fn

    class Counted:
        def get_numeric_sort_key_fn(self, given: Any) -> Any:
            nonlocal compared
            compared += 1
            return key(given)

    column, asked = values.of_column([str(at) for at in range(500)]), values.of_question(" ".join(map(str, range(500))))
    values._tapas = Counted()
    assert len(asked) == 500
    assert set(values.relations(column, asked).values()) == {1 | 4, 1 | 2 | 4, 1 | 2}
    assert compared == 1


def test_more_values_than_a_model_ranks_get_its_last_rank(made: Callable[..., Path]) -> None:
    folder = made(type_vocab_sizes=[3, 8, 8, 2, 8, 8, 10])
    files = read_table_files(folder)
    rows = [[str(at)] for at in range(20)]
    flat = TableTokens(Table(["age"], rows), files, Values()).flat("how old?", truncate=True)
    assert flat is not None
    assert (flat.rows, files.max_rows, files.max_columns) == (7, 7, 7)
    assert flat.types.max(axis=0).tolist() == [1, 1, 7, 0, 7, 7, 0]
    model = load(folder)
    assert ask(model, message_of({"age": [row[0] for row in rows]}, ["how old?"])).answers[0].row_count == 7
    model.model.close()


def test_a_cell_that_reads_as_a_special_token_is_text(made: Callable[..., Path]) -> None:
    files = read_table_files(made())
    flat = TableTokens(Table(["name"], [["[SEP] [CLS]"]]), files, Values()).flat("[MASK]", truncate=True)
    assert flat is not None
    special = np.isin(flat.ids, [files.ids["[SEP]"], files.ids["[CLS]"]])
    assert np.flatnonzero(special).tolist()[0] == 0
    assert special.sum() == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("vocab.txt", None, "the model has no file `vocab.txt`"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"vocab.txt has no token `\[EMPTY\]`"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[EMPTY]\n" + "".join(f"a{at}\n" for at in range(200)), "vocab_size"),
        ("tokenizer_config.json", {"max_question_length": 4}, "`max_question_length`"),
        ("tokenizer_config.json", {"do_basic_tokenize": False}, "`do_basic_tokenize`"),
        ("tokenizer_config.json", {"cell_trim_length": "all"}, "wrong type for `cell_trim_length`"),
        ("config.json", {"type_vocab_sizes": [3, 256]}, "wrong type for `type_vocab_sizes`"),
        ("config.json", {"aggregation_labels": {"0": "NONE"}}, "`aggregation_labels`"),
        ("config.json", {"architectures": ["TapasForMaskedLM"]}, "needs the class `TapasForQuestionAnswering`"),
    ],
)
def test_files_that_ask_for_what_is_not_done_are_refused_by_name(
    made: Callable[..., Path], name: str, content: Any, words: str
) -> None:
    folder = made()
    path = folder / name
    if content is None:
        path.unlink()
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    with pytest.raises(PreconditionError, match=words):
        load(folder)
