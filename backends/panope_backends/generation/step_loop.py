"""Steps of all sequences of a step model: schedule, compute, draw, continue the answers.

A step that ends with an exception says nothing of whose fault it was. Each of its sequences then runs in steps of its
own up to where it was: one that fails alone ends with an error, the others go on. Logits that are no numbers end the
sequence that they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import replace
from time import perf_counter

from panope_backends.api import (
    AlignableModel,
    EncoderDecoderModel,
    FinishReason,
    ImageTextModel,
    StepModel,
    TokenDelta,
)
from panope_backends.errors import CapacityError, InternalError, PanopeError
from panope_backends.generation.alignment import source_attention
from panope_backends.generation.answer import continue_answer, end_answer
from panope_backends.generation.decoding import Array, Decoding
from panope_backends.generation.reading import Reading, read
from panope_backends.generation.sampling.sampler import NO_TOKEN, SampledToken, logits_not_finite
from panope_backends.generation.scheduling.block_keys import BlockKeys
from panope_backends.generation.scheduling.block_manager import BlockManager
from panope_backends.generation.scheduling.images import Images
from panope_backends.generation.scheduling.scheduler import Scheduler
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence
from panope_backends.generation.scheduling.sources import Sources
from panope_backends.generation.scheduling.step import StepPart, batch_of
from panope_backends.generation.settings import GenerationSettings

#: Numbers that the rows for log-probabilities of prompts may have in one step: 64 MB of them.
_SCORE_NUMBERS = 1 << 24


class StepLoop:
    """One thread calls it.

    Args:
        model: with its cache allocated.
        decoding: draws tokens and makes texts.
        settings: how much it does at once.
    """

    def __init__(self, model: StepModel, decoding: Decoding, settings: GenerationSettings) -> None:
        self.manager = BlockManager(model.cache, model.blocks, _keys(model, settings))
        self.scheduler = Scheduler(self.manager, settings, max(1, _SCORE_NUMBERS // model.vocab_size))
        self.steps = self.failed_steps = self.completion_tokens = 0
        self.drafted_tokens = self.accepted_tokens = 0
        self._copies: dict[Sequence, tuple[int, int]] = {}
        self._readers: list[Sources | Images] = []
        if isinstance(model, EncoderDecoderModel):
            self._readers.append(Sources(model))
        if isinstance(model, ImageTextModel):
            self._readers.append(Images(model))
        self._model = model
        self._decoding = decoding

    def start(self, request: ActiveRequest) -> None:
        """Takes a request."""
        self.scheduler.add(request.sequences[0])

    def cancel(self, request: ActiveRequest) -> list[TokenDelta]:
        """Ends the answers of a request that have not ended."""
        open_answers = [sequence for sequence in request.sequences if not sequence.has_ended]
        return [self._ended(sequence, FinishReason.CANCELLED) for sequence in open_answers]

    def step(self) -> list[TokenDelta]:
        """Runs one step; what the answers have more."""
        parts = self.scheduler.schedule()
        deltas: list[TokenDelta] = []
        for reader in self._readers:
            parts, failed = self._prepared(parts, reader)
            deltas += failed
        if not parts:
            return deltas
        self.steps += 1
        try:
            reading = self._read(parts)
        except Exception as error:
            return deltas + self._isolated(parts, error)
        for part in parts:
            part.sequence.computed = part.end
            self.manager.name_computed(part.sequence)
        for part, scores in reading.scores:
            part.sequence.request.prompt_logprobs += scores
            part.sequence.request.scored += part.scored
        deltas += [delta for part in reading.broken for delta in self._poisoned(part.sequence)]
        self._fork([sequence for sequence, _ in reading.drawn])
        for sequence, drawn in reading.drawn:
            deltas += self._answered(sequence, drawn)
        if reading.drafted:
            deltas += self._verified(reading.drafted)
        self._copy()
        return deltas

    def release(self) -> None:
        """Forgets all sequences."""
        for sequence in [*self.scheduler.running, *self.scheduler.waiting]:
            self.scheduler.remove(sequence)

    def _prepared(self, parts: Items[StepPart], reader: Sources | Images) -> tuple[list[StepPart], list[TokenDelta]]:
        """The parts whose texts or images the model has read, and the ends of those that it could not read."""
        kept: list[StepPart] = []
        deltas: list[TokenDelta] = []
        for part in parts:
            try:
                reader.prepare(part.sequence.request, part.begin, part.end)
            except PanopeError as error:
                deltas += self._failed(part.sequence, error)
            except Exception as error:
                failure = InternalError("the model could not read the prompt", reason="step_failed")
                failure.__cause__ = error
                deltas += self._failed(part.sequence, failure)
            else:
                kept.append(part)
        return kept, deltas

    def _read(self, parts: Items[StepPart]) -> Reading:
        batch = batch_of(parts, self._model.cache.block_size)
        started = perf_counter()
        logits = self._model.forward(batch)
        self.scheduler.learn(len(batch.tokens), perf_counter() - started)
        expected = (sum(part.rows for part in parts), self._model.vocab_size)
        if logits.shape != expected:
            raise InternalError(f"the step model gave logits of shape {logits.shape} where {expected} were asked for")
        return read(self._decoding, parts, logits)

    def _fork(self, sequences: Items[Sequence]) -> None:
        """Lets the answers of a request that draw their first token share what the first of them computed."""
        for child in sequences:
            if child.index and not child.request.is_forked:
                if copy := self.manager.fork(child.request.sequences[0], child):
                    self._copies[child] = copy
                self.scheduler.add(child)
        for sequence in sequences:
            sequence.request.is_forked = True

    def _copy(self) -> None:
        """Makes the copies of forks: last of all, because the model may then write over its logits."""
        copies, self._copies = self._copies, {}
        copies = {child: copy for child, copy in copies.items() if not child.has_ended}
        if not copies:
            return
        try:
            self._model.copy_blocks(list(copies.values()))
        except Exception as error:
            _log_failure(f"{len(copies)} blocks could not be copied; their sequences are computed again", error)
            for child in copies:
                self.scheduler.preempt(child)

    def _answered(self, sequence: Sequence, drawn: SampledToken) -> list[TokenDelta]:
        """What becomes of an answer with what was drawn for it."""
        if drawn.token_id == NO_TOKEN:
            return self._poisoned(sequence, drawn.error)
        return [self._continued(sequence, drawn)]

    def _verified(self, drafted: list[tuple[StepPart, Array]]) -> list[TokenDelta]:
        """Continues answers for as long as what is drawn is what was guessed.

        Each token is drawn from the logits, and with the chance, that it would have had without guesses.
        """
        deltas: list[TokenDelta] = []
        right = drafted
        for place in range(max(len(part.drafts) for part, _ in drafted)):
            right = [(part, rows) for part, rows in right if _is_right(part, place)]
            try:
                tokens = self._decoding.sample([rows[place] for _, rows in right], [p.sequence.state for p, _ in right])
            except Exception as error:
                _log_failure(f"guesses of {len(right)} sequences could not be verified", error)
                break
            for (part, _), drawn in zip(right, tokens, strict=True):
                part.accepted += 1
                part.sequence.computed += 1
                deltas += self._answered(part.sequence, drawn)
        for part, _ in drafted:
            self._learn(part)
        return deltas

    def _learn(self, part: StepPart) -> None:
        self.drafted_tokens += len(part.drafts)
        self.accepted_tokens += part.accepted
        if part.sequence.drafter is not None:
            part.sequence.drafter.learn(part.accepted)
        self.manager.name_computed(part.sequence)

    def _continued(self, sequence: Sequence, drawn: SampledToken) -> TokenDelta:
        self.completion_tokens += 1
        try:
            delta = continue_answer(sequence, drawn)
        except PanopeError as error:
            return self._ended(sequence, FinishReason.ERROR, error)
        except Exception as error:
            failure = InternalError("the answer could not go on with its next token")
            failure.__cause__ = error
            return self._ended(sequence, FinishReason.ERROR, failure)
        if delta.finish_reason:
            delta = self._aligned(sequence, delta)
            self._remove(sequence)
        return delta

    def _aligned(self, sequence: Sequence, delta: TokenDelta) -> TokenDelta:
        """An answer's last delta with what it looked at, where that is asked for."""
        if not sequence.request.given.alignment_heads:
            return delta
        assert isinstance(self._model, AlignableModel)
        try:
            return replace(delta, source_attention=source_attention(self._model, sequence))
        except Exception as error:
            failure = InternalError("the model could not tell what the answer looked at", reason="step_failed")
            failure.__cause__ = error
            return replace(delta, finish_reason=FinishReason.ERROR, error=failure)

    def _isolated(self, parts: Items[StepPart], cause: Exception) -> list[TokenDelta]:
        """After a failed step: its only sequence ends; of several each must show whether it runs alone."""
        self.failed_steps += 1
        if len(parts) == 1:
            error: PanopeError = InternalError("the model could not compute a step", reason="step_failed")
            error.__cause__ = cause
            # Want of memory is told as what it is: the same request may be computed later, or a smaller one now.
            return self._failed(parts[0].sequence, cause if isinstance(cause, CapacityError) else error)
        _log_failure(f"a step of {len(parts)} sequences failed; each runs alone", cause)
        for part in parts:
            if not self._model.rewinds:  # the state may be past the failed step, and cannot go back
                self.scheduler.preempt(part.sequence)
            self.scheduler.isolate(part.sequence, part.end)
        return []

    def _poisoned(self, sequence: Sequence, error: PanopeError | None = None) -> list[TokenDelta]:
        """Ends a sequence with logits that are no numbers; what the cache holds of it may be none either."""
        self.manager.forget(sequence)
        return self._failed(sequence, error or logits_not_finite())

    def _failed(self, sequence: Sequence, error: PanopeError) -> list[TokenDelta]:
        """Ends what hangs on a sequence: itself, or all answers of its request while they share their prompt."""
        answers = sequence.request.drawing(sequence)
        return [self._ended(answer, FinishReason.ERROR, error) for answer in answers]

    def _ended(self, sequence: Sequence, reason: FinishReason, error: PanopeError | None = None) -> TokenDelta:
        delta = end_answer(sequence, reason, error)
        self._remove(sequence)
        return delta

    def _remove(self, sequence: Sequence) -> None:
        """Forgets a sequence that has ended, and after the last one of a request what the model has read for it."""
        self.scheduler.remove(sequence)
        for reader in self._readers if not sequence.request.open else ():
            reader.release(sequence.request)


def _log_failure(message: str, error: Exception) -> None:
    """Logs what no answer tells of, because all go on."""
    import logging  # a worker that never fails need not load it

    logging.getLogger(__name__).error(message, exc_info=error)


def _is_right(part: StepPart, place: int) -> bool:
    """Whether an answer goes on with a guess; all guesses before it were right."""
    if place >= len(part.drafts) or part.sequence.has_ended:
        return False
    return part.sequence.tokens[-1] == part.drafts[place]


def _keys(model: StepModel, settings: GenerationSettings) -> BlockKeys | None:
    """Names for blocks, for models whose blocks others can start with.

    An encoder-decoder's hold what its source decides as well, and few tokens of a prompt, which is the encoder's.
    """
    keeps_pages = model.rewinds and model.cache.block_size < model.max_positions
    keeps_pages = keeps_pages and not isinstance(model, EncoderDecoderModel)
    return BlockKeys(settings.cache_key, model.cache.block_size) if settings.prefix_cache and keeps_pages else None
