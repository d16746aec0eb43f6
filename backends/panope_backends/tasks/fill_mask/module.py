"""How `fill-mask` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope.worker.v1 import text_pb2 as messages
from panope_backends.tasks.fill_mask.filler import Filler
from panope_backends.tasks.fill_mask.requests import FillMaskRequests
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.text_files import load_tokenizer, read_text_files
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class FillMaskModule(TaskModule):
    """Loads a model that fills in what is masked in texts."""

    name = "fill-mask"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and fills a mask."""
        files = read_text_files(source.folder, self.name)
        model = source.load(files.config)
        tokenizer, max_tokens = load_tokenizer(files, source)
        filler = Filler(files, tokenizer, model, max_tokens=max_tokens)
        filler.trial()
        made = FillMaskRequests(filler, tokenizer)
        requests = {"fill-mask": made.fill_mask, **tokenizer_requests(tokenizer, filler.max_tokens)}
        facts = messages.TextFacts(max_tokens=filler.max_tokens, mask_token=tokenizer.token_of(filler.mask_id))
        return LoadedTask(
            model,
            files.config,
            requests,
            filler,
            facts.SerializeToString(),
            values_per_token=filler.vocabulary_size,
        )
