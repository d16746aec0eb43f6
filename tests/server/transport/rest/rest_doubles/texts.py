"""What models that read texts answer: what tells which text was asked about."""

from __future__ import annotations

from panope_server.tasks.fill_mask import Filling, FillMaskInput, FillMaskOutput
from panope_server.tasks.question_answer import Answer, QuestionAnswerInput, QuestionAnswerOutput
from panope_server.tasks.table_question_answer import TableAnswer, TableCell, TableQuestionInput, TableQuestionOutput
from panope_server.tasks.task import Input, Output

READ = (QuestionAnswerInput, TableQuestionInput, FillMaskInput)


def read(task_input: Input) -> Output:
    """The first letters of each context; the first cell of each table; for each mask letters in turn."""
    match task_input:
        case QuestionAnswerInput(contexts=contexts, top_k=top_k):
            answers = [[Answer(text[:n], 0.5 / n, 0, n) for n in range(1, top_k + 1)] for text in contexts]
            return QuestionAnswerOutput(answers, [7] * len(contexts), [])
        case TableQuestionInput(rows=rows, questions=questions):
            cells = [TableCell(0, 0, rows[0][0])]
            answers_ = [TableAnswer(f"SUM > {rows[0][0]}", cells, "SUM", len(rows)) for _ in questions]
            return TableQuestionOutput(answers_, [9] * len(questions), [])
        case FillMaskInput(texts=texts, top_k=top_k):
            fillings = [Filling(place, "abcdefgh"[place % 8], 0.5, "a text") for place in range(top_k)]
            return FillMaskOutput([[fillings] * text.count("[MASK]") for text in texts], [4] * len(texts), [])
    raise AssertionError(f"no such input: {task_input}")
