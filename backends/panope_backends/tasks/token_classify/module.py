"""How `token-classify` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope_backends.tasks.classify.classifier import Classifier
from panope_backends.tasks.classify.files import read_classify_files
from panope_backends.tasks.classify.module import facts_of
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.text_files import load_tokenizer
from panope_backends.tasks.token_classify.requests import TokenClassifyRequests
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class TokenClassifyModule(TaskModule):
    """Loads a model that gives each token a value for each label."""

    name = "token-classify"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and classifies the tokens of a short text."""
        files = read_classify_files(source.folder)
        model = source.load(files.config)
        tokenizer, max_tokens = load_tokenizer(files.text, source)
        classifier = Classifier(files, tokenizer, model, max_tokens=max_tokens, per_token=True)
        classifier.trial()
        made = TokenClassifyRequests(files, classifier, tokenizer)
        requests = {"token-classify": made.token_classify, **tokenizer_requests(tokenizer, classifier.max_tokens)}
        return LoadedTask(
            model, files.config, requests, classifier, facts_of(files, classifier, self.name).SerializeToString()
        )
