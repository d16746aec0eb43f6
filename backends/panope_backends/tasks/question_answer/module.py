"""How `question-answer` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope.worker.v1 import text_pb2 as messages
from panope_backends.tasks.question_answer.reader import Reader
from panope_backends.tasks.question_answer.requests import QuestionAnswerRequests
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.text_files import load_tokenizer, read_text_files
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class QuestionAnswerModule(TaskModule):
    """Loads a model that marks the answer to a question in a text."""

    name = "question-answer"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and reads a short text."""
        files = read_text_files(source.folder, self.name)
        model = source.load(files.config)
        tokenizer, max_tokens = load_tokenizer(files, source)
        reader = Reader(files, tokenizer, model, max_tokens=max_tokens)
        reader.trial()
        made = QuestionAnswerRequests(reader, tokenizer)
        requests = {"question-answer": made.question_answer, **tokenizer_requests(tokenizer, reader.max_tokens)}
        facts = messages.TextFacts(max_tokens=reader.max_tokens)
        return LoadedTask(model, files.config, requests, reader, facts.SerializeToString())
