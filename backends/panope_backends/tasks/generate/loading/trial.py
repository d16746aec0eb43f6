"""Runs a request to its end, so that a model that cannot answer is never called ready."""

from __future__ import annotations

from panope_backends.api import FinishReason, GenerationRequest, TokenModel
from panope_backends.errors import InternalError

_WAIT_SECONDS = 1.0


def run_to_end(model: TokenModel, request: GenerationRequest) -> None:
    """Submits a request and waits for its last token.

    Raises:
        PanopeError: the model gives none.
    """
    model.submit(request)
    while True:
        for delta in model.deltas(_WAIT_SECONDS):
            if delta.finish_reason not in (None, FinishReason.STOP, FinishReason.LENGTH):
                raise delta.error or InternalError("the model did not answer in its trial run")
            if delta.usage is not None:
                return
