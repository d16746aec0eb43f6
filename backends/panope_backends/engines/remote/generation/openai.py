"""The protocols `openai` and `vllm`."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.api import GenerationRequest
from panope_backends.engines.remote.generation.dialect import Asked
from panope_backends.engines.remote.generation.openai_answers import OpenAiAnswers
from panope_backends.engines.remote.generation.openai_requests import OpenAiRequests


class OpenAiDialect:
    """Completions and chats.

    Args:
        model: as the server calls it.
        protocol: `openai` or `vllm`.
    """

    def __init__(self, model: str, protocol: str) -> None:
        self._requests = OpenAiRequests(model, protocol)
        self.honoured = self._requests.honoured

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """Grammars that the server does not know."""
        return self._requests.unsupported(request)

    def asked(self, request: GenerationRequest) -> Sequence[Asked]:
        """One exchange, whatever `n` is."""
        return [self._requests.asked(request)]

    def answers(self, request: GenerationRequest, index: int) -> OpenAiAnswers:
        """All answers."""
        del index
        return OpenAiAnswers(request)
