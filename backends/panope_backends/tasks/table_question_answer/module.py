"""How `table-question-answer` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope.worker.v1 import text_pb2 as messages
from panope_backends.model_facts.table_models import LOGITS, aggregators_of, no_aggregator_of
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.table_question_answer.requests import TableRequests
from panope_backends.tasks.table_question_answer.tokenizing import read_table_files
from panope_backends.tasks.table_question_answer.values import Values
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule


class TableQuestionAnswerModule(TaskModule):
    """Loads a model that chooses the cells of a table that answer a question."""

    name = "table-question-answer"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and asks it about a small table."""
        config = read_json(source.folder / "config.json")
        files = read_table_files(source.folder)
        model = source.load(config)
        try:
            made = TableRequests(files, Values(), aggregators_of(config), no_aggregator_of(config))
            runs = StackedArrays(model, (LOGITS,), made.sample)
            runs.trial()
        except BaseException:  # whatever it was, the memory is free for the next candidate
            model.close()
            raise
        facts = messages.TextFacts(max_tokens=files.max_tokens)
        requests = {self.name: made.answer}
        return LoadedTask(model, config, requests, facts=facts.SerializeToString(), arrays=runs, prepares_long=True)
