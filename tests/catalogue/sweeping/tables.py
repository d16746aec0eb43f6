"""Models that answer questions about tables: what Panope answers beside what the library gives."""

from __future__ import annotations

import transformers

from panope.worker.v1 import text_pb2
from panope_backends.worker.loading import ServedModel
from sweeping.library import Library
from sweeping.serving import answer

TABLE = {
    "name": ["ada lovelace", "alan turing", "grace hopper"],
    "born": ["10 december 1815", "23 june 1912", "december 9, 1906"],
    "letters": ["1,204", "77", "6.5"],
}
QUESTIONS = ("who was born in june 1912?", "which name has more than 77 letters?", "how many?")


def question_answer(model: ServedModel, library: Library) -> str:
    """The cells of each answer, as the library's pipeline says."""
    rows = [text_pb2.TableRow(cells=cells) for cells in zip(*TABLE.values(), strict=True)]
    message = text_pb2.TableQuestionInput(columns=list(TABLE), rows=rows, questions=QUESTIONS, truncation="end")
    found = text_pb2.TableQuestionOutput.FromString(answer(model, "table-question-answer", message)).answers
    tokenizer = transformers.TapasTokenizer.from_pretrained(library.folder)
    run = transformers.pipeline("table-question-answering", model=library.model, tokenizer=tokenizer, device="cpu")
    # A table of its own: the pipeline takes it out of what it is given.
    wanted = run(table=dict(TABLE), query=list(QUESTIONS))
    if not any(each["coordinates"] for each in wanted):
        return "the library finds no cells, which shows nothing"
    told = [(each.answer, each.aggregator, [(cell.row, cell.column) for cell in each.cells]) for each in found]
    if told != [(each["answer"], each.get("aggregator", ""), each["coordinates"]) for each in wanted]:
        return "its answers are others"
    return ""
