"""How `generate` models are loaded, and which requests they answer."""

from __future__ import annotations

from typing import Any

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import FinishReason, GenerationRequest, TokenModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.tasks.generate.defaults import read_defaults
from panope_backends.tasks.generate.facts import facts_of
from panope_backends.tasks.generate.requests import GenerateRequests
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.tokenize.requests import without_tokenizer

_TRIAL_WAIT_SECONDS = 1.0


class GenerateModule(TaskModule):
    """Loads a model that generates, with its tokenizer and its chat template."""

    name = "generate"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and generates a token."""
        settings = messages.GenerateSettings.FromString(source.settings)
        config = read_json(source.folder / "config.json", missing_ok=True)
        model = source.load_any(config, cache_precision=settings.cache_precision)
        if not isinstance(model, TokenModel):
            model.close()
            raise PreconditionError("the backend does not generate tokens", reason="unsupported_model_kind")
        try:
            defaults = read_defaults(source.folder, config, model.honoured)
            requests = GenerateRequests(model, defaults, None)
            trial(model)
        except BaseException:  # whatever it was, the memory is free for the next candidate
            model.close()
            raise
        prepare = {"generate": requests.prepare, **without_tokenizer()}
        facts = facts_of(model, defaults).SerializeToString()
        return LoadedTask(model, config, prepare, facts=facts)


def trial(model: TokenModel) -> None:
    """Generates a token, so that a model that cannot answer is never called ready.

    Raises:
        PanopeError: the model gives no token.
    """
    by_ids = "prompt_token_ids" in model.honoured
    prompt: dict[str, Any] = {"prompt_token_ids": (0,)} if by_ids else {"prompt": "a"}
    model.submit(GenerationRequest(id=0, max_tokens=1, **prompt))
    while True:
        for delta in model.deltas(_TRIAL_WAIT_SECONDS):
            if delta.finish_reason not in (None, FinishReason.STOP, FinishReason.LENGTH):
                raise delta.error or InternalError("the model did not answer in its trial run")
            if delta.usage is not None:
                return
