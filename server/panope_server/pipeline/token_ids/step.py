"""Whose token ids a call brings: the model's own are run, OpenAI's become texts, and what nobody knows is refused.

Clients of OpenAI's API may send ids of OpenAI's vocabulary in place of texts. Run as ids of another vocabulary they
give vectors of another text, which nobody would notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits, OpenAiSettings
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.pipeline.token_ids.cl100k import texts_of
from panope_server.tasks.texts import TextsInput


class TokenIds:
    """The step that settles whose ids a call brings; it follows Resolve, for models and aliases may be told apart.

    Args:
        settings: tell whose ids callers send.
        limits: of one text.
        check: refuses texts that no model could run.
    """

    def __init__(self, settings: OpenAiSettings, limits: Limits, check: Callable[[Call], None]) -> None:
        self._settings = settings
        self._limits = limits
        self._check = check

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call with texts, or with ids of the model's own."""
        task_input = call.input
        if isinstance(task_input, TextsInput) and task_input.token_sequences and not task_input.own_ids:
            match self._settings.ids_of(call.requested_model, call.model_name):
                case "own":
                    task_input.own_ids = True
                case "cl100k":
                    most = self._limits.max_text_bytes
                    task_input.texts = await asyncio.to_thread(texts_of, task_input.token_sequences, most)
                    task_input.token_sequences = []
                    self._check(call)
                case _:
                    raise _refusal(call.model_name)
        await forward(call)


def _refusal(model: str) -> InvalidInputError:
    return InvalidInputError.at(
        "token_sequences",
        "{field} holds token ids, and whose they are is not known: send texts. LangChain's OpenAIEmbeddings "
        "sends texts with `check_embedding_ctx_length=False`. If callers send ids of OpenAI's cl100k_base, or of the "
        "model's own vocabulary, the setting `openai.cl100k_token_ids` or `openai.native_token_ids` must name "
        "`{model}`",
        reason="token_ids_not_allowed",
        model=model,
    )
