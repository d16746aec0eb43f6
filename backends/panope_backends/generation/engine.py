"""A `TokenModel` over any `StepModel`.

Steps are computed in the thread that calls `deltas`; `submit` and `cancel` leave notes that the next step reads.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from time import monotonic

from panope_backends.api import (
    AlignableModel,
    EncoderDecoderModel,
    GenerationRequest,
    GenerationStatistics,
    ImageTextModel,
    SamplingParams,
    StepModel,
    TokenDelta,
    TokenModel,
)
from panope_backends.errors import InvalidInputError, OverloadedError, PreconditionError
from panope_backends.generation.adapters import Adapters
from panope_backends.generation.decoding import Decoding
from panope_backends.generation.intake import activate, require_fitting
from panope_backends.generation.scheduling.sequence import ActiveRequest
from panope_backends.generation.settings import GenerationSettings
from panope_backends.generation.step_loop import StepLoop

_HONOURED = frozenset(field.name for kind in (GenerationRequest, SamplingParams) for field in fields(kind)) - {
    "id",
    "sampling",
    "max_tokens",
    "given",
    "prompt",
    "conversation",
    "adapter",
    "images",
    "features",
    "alignment_heads",
}
_OF_ENCODERS = frozenset({"decoder_token_ids"})
#: The prompt passes no head, so that nothing is said of its tokens.
_NOT_OF_ENCODERS = frozenset({"prompt_logprobs"})


class GenerationEngine(TokenModel):
    """Schedules, samples and writes texts for a decoder that gives logits.

    Args:
        model: with its cache allocated, and its sources where it has an encoder; the engine closes it.
        decoding: draws tokens and makes texts.
        settings: how much it does at once.
    """

    def __init__(self, model: StepModel, decoding: Decoding, settings: GenerationSettings) -> None:
        if not model.blocks:
            raise PreconditionError("the model has no cache to generate with", reason="no_cache")
        self.precision = model.precision
        self.vocab_size = model.vocab_size
        self.max_positions = min(model.max_positions, model.blocks * model.cache.block_size)
        self.slots = settings.slots
        self.honoured = _HONOURED - _OF_ENCODERS
        self._decoder_token_ids: tuple[int, ...] = ()
        if isinstance(model, EncoderDecoderModel):
            if model.sources < settings.slots:
                raise PreconditionError("the model keeps fewer sources than it has slots", reason="no_cache")
            self.honoured = _HONOURED - _NOT_OF_ENCODERS
            self.features = model.source.features
            if self.features is None:
                self.max_source_length = model.source.max_length
            else:
                self.honoured = (self.honoured - {"prompt_token_ids"}) | {"features"}
            self._decoder_token_ids = settings.decoder_token_ids
        self._draft_tokens = settings.draft_tokens if model.rewinds else 0
        if not model.rewinds:  # a state that took a wrong guess in cannot go back
            self.honoured -= {"lookup_tokens", "lookup_max_ngram"}
        if isinstance(model, ImageTextModel):
            self.honoured |= {"images"}
        if isinstance(model, AlignableModel) and model.source_heads:
            self.honoured |= {"alignment_heads"}
        self._adapters = Adapters(model)
        self.max_adapters = self._adapters.most
        if self.max_adapters:
            self.honoured |= {"adapter"}
        self._model = model
        self._decoding = decoding
        self._loop = StepLoop(model, decoding, settings)
        self._numbers = count()
        self._stepping = threading.Lock()
        self._changed = threading.Condition()
        # Behind `_changed`:
        self._requests: dict[int, ActiveRequest] = {}
        self._arrived: list[ActiveRequest] = []
        self._cancelled: set[int] = set()
        self._taken_slots = 0
        self._is_closed = False

    def submit(self, request: GenerationRequest) -> None:
        """Takes a request, or refuses it."""
        self.require_supported(request)
        if not request.decoder_token_ids and self._decoder_token_ids:
            request = replace(request, decoder_token_ids=self._decoder_token_ids)
        require_fitting(
            request,
            vocab_size=self.vocab_size,
            max_positions=self.max_positions,
            slots=self.slots,
            max_source_length=self.max_source_length,
        )
        if isinstance(self._model, ImageTextModel):
            self._model.check_images(request.prompt_token_ids, request.images)
        if isinstance(self._model, AlignableModel) and request.alignment_heads:
            self._model.check_heads(request.alignment_heads)
        with self._changed:
            self._require_room(request)
        active = activate(
            request,
            self._decoding,
            max_positions=self.max_positions,
            number=next(self._numbers),
            draft_tokens=self._draft_tokens,
        )
        with self._changed:
            self._require_room(request)
            active.adapter = self._adapters.number_of(request.adapter)
            self._requests[request.id] = active
            self._taken_slots += request.n
            self._arrived.append(active)
            self._changed.notify_all()

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        """Computes steps until one gives deltas."""
        deadline = monotonic() + timeout_seconds
        with self._stepping:
            while self._wait_for_requests(deadline):
                deltas = self._step()
                if deltas or monotonic() >= deadline:
                    return deltas
        return ()

    def cancel(self, request_id: int) -> None:
        """Marks it for the next step."""
        with self._changed:
            if request_id in self._requests:
                self._cancelled.add(request_id)

    def close(self) -> None:
        """Lets a step that runs end, and closes the step model."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        with self._stepping, self._changed:
            self._requests.clear()
            self._arrived.clear()
            self._cancelled.clear()
            self._taken_slots = 0
            self._release_adapters()
            self._loop.release()
            self._model.close()

    def add_adapter(self, name: str, folder: Path) -> None:
        """Reads an adapter, which requests may be run with from now on. From any thread; no step waits for it.

        One that is there already is not read again: it stays until it was removed as often as it was added.

        Args:
            name: of its content, without a NUL.
            folder: its files.

        Raises:
            InvalidInputError: its files do not go together.
            PreconditionError: there are `max_adapters` already, or the model cannot run it beside its weights
                (`needs_own_instance`), or it is not of this model (`adapter_mismatch`).
        """
        with self._changed:
            if self._adapters.share(name):
                return
            number = self._adapters.reserve()
        try:
            self._adapters.read(number, folder)
        except BaseException:
            with self._changed:
                self._adapters.give_back(number)
            raise
        with self._changed:
            self._adapters.put(name, number)
            self._release_adapters()

    def remove_adapter(self, name: str) -> None:
        """Forgets an adapter that nobody else has added; requests that run with it are cancelled. From any thread."""
        with self._changed:
            number = self._adapters.leave(name)
            users = (key for key, request in self._requests.items() if request.adapter == number)
            self._cancelled.update(users if number else ())
            self._release_adapters()

    def _release_adapters(self) -> None:
        self._adapters.release({request.adapter for request in self._requests.values()})

    def statistics(self) -> GenerationStatistics:
        """Numbers of now; a step that runs meanwhile may be in some of them and not in others."""
        scheduler, manager, pool = self._loop.scheduler, self._loop.manager, self._loop.manager.pool
        return GenerationStatistics(
            running=len(scheduler.running),
            waiting=len(scheduler.waiting) + len(self._arrived),
            blocks=pool.size,
            blocks_used=pool.used,
            blocks_cached=pool.cached,
            steps=self._loop.steps,
            prompt_tokens=manager.prompt_tokens,
            cached_tokens=manager.cached_tokens,
            completion_tokens=self._loop.completion_tokens,
            drafted_tokens=self._loop.drafted_tokens,
            accepted_tokens=self._loop.accepted_tokens,
            preemptions=scheduler.preemptions,
            failed_steps=self._loop.failed_steps,
        )

    def _require_room(self, request: GenerationRequest) -> None:
        if self._is_closed:
            raise PreconditionError("the model is closed", reason="model_closed")
        if request.id in self._requests:
            raise InvalidInputError("a request of this id runs", field="id")
        if request.n > self.slots - self._taken_slots:
            raise OverloadedError("all slots are taken")

    def _wait_for_requests(self, deadline: float) -> bool:
        """Waits until there is something to do; False when the time is up or the model is closed."""
        with self._changed:
            remaining = max(0.0, deadline - monotonic())
            self._changed.wait_for(lambda: self._requests or self._is_closed, remaining)
            return bool(self._requests) and not self._is_closed

    def _step(self) -> list[TokenDelta]:
        with self._changed:
            arrived, self._arrived = self._arrived, []
            cancelled = [self._requests[number] for number in self._cancelled]
            self._cancelled = set()
        for request in arrived:
            self._loop.start(request)
        deltas = [delta for request in cancelled for delta in self._loop.cancel(request)]
        deltas += self._loop.step()
        self._forget(deltas)
        return deltas

    def _forget(self, deltas: Sequence[TokenDelta]) -> None:
        """Gives the slots of ended requests back."""
        if ended := [delta.request_id for delta in deltas if delta.usage is not None]:
            with self._changed:
                for number in ended:
                    self._taken_slots -= self._requests.pop(number).given.n
                self._cancelled.difference_update(ended)
                self._release_adapters()
