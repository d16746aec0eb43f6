"""Which source of an encoder-decoder each request has: its prompt, or its audio, as the encoder has read it."""

from __future__ import annotations

from panope_backends.api import EncoderDecoderModel
from panope_backends.generation.scheduling.sequence import ActiveRequest


class Sources:
    """Gives requests sources; all answers of a request share one, and keep it while they are pre-empted.

    Args:
        model: with at least as many sources as requests run at once.
    """

    def __init__(self, model: EncoderDecoderModel) -> None:
        self._model = model
        self._free = list(range(model.sources))[::-1]

    def prepare(self, request: ActiveRequest, begin: int, end: int) -> None:
        """Lets the encoder read what a request brings, once, whichever positions of the decoder's a step computes."""
        del begin, end
        if request.source is not None:
            return
        source = self._free[-1]
        if request.given.features is None:
            self._model.encode(source, request.given.prompt_token_ids)
        else:
            self._model.encode_features(source, request.given.features.values)
        request.source = self._free.pop()
        request.unread_tokens = 0

    def release(self, request: ActiveRequest) -> None:
        """Takes the source of a request that has ended."""
        if request.source is not None:
            self._free.append(request.source)
            request.source = None
