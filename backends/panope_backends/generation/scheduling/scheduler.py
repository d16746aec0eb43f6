"""Chooses what each step computes.

First one token of every sequence whose prompt is computed, then chunks of the prompts that were begun, then prompts
that wait, as far as the step's tokens go. A prompt starts when there are blocks for all of it, and those behind it wait
until then: a long one is not passed by for ever. Only one that begins as another that is being computed lets others
pass: it starts when that beginning is there.

A sequence that finds no block for its next token pre-empts the one with the highest rank: of the lowest priority and,
among those, the latest. That one gives its blocks back and waits; its tokens are computed again later, as far as the
cache does not hold them still, and its answer goes on where it was. So the sequence of the lowest rank always goes on,
and all end.

While sequences of a higher class of priority run, those of lower ones keep their blocks and have what room of each step
is left to them (`yielding.py`), in turns.
"""

from __future__ import annotations

from bisect import insort
from operator import attrgetter

from panope_backends.generation.scheduling.block_manager import BlockManager
from panope_backends.generation.scheduling.pace import FEWEST_TOKENS, Pace
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence
from panope_backends.generation.scheduling.step import StepPart
from panope_backends.generation.scheduling.yielding import Yielding
from panope_backends.generation.settings import GenerationSettings

_RANK = attrgetter("rank")
_LAST_STEP = attrgetter("last_step")
_LOWEST = 1

#: Steps within which the prompts that wait should be computed, as far as `max_step_tokens` allows.
_BACKLOG_STEPS = 4

#: Images that are read in one step: everybody who is in it waits for them.
_STEP_IMAGES = 1

#: Waiting for another sequence to compute a common beginning pays where that is this part of the work, or more.
_WORTH_WAITING = 4


class Scheduler:
    """The sequences that run and that wait, lowest rank first.

    Args:
        manager: gives the blocks.
        settings: how much a step computes.
        score_rows: how many rows of a step may tell log-probabilities of prompts.
    """

    def __init__(self, manager: BlockManager, settings: GenerationSettings, score_rows: int) -> None:
        self.running: list[Sequence] = []
        self.waiting: list[Sequence] = []
        self.preemptions = 0
        self._pace = Pace(settings.max_step_seconds, settings.step_tokens)
        self._yielding = Yielding()
        self._manager = manager
        self._settings = settings
        self._score_rows = score_rows
        self._alone: list[Sequence] = []
        self._steps = 0

    def add(self, sequence: Sequence) -> None:
        """Takes a sequence: it runs if it has blocks and waits otherwise."""
        insort(self.running if len(sequence.table) else self.waiting, sequence, key=_RANK)

    def remove(self, sequence: Sequence) -> None:
        """Forgets a sequence and takes its blocks."""
        for sequences in (self.running, self.waiting, self._alone):
            if sequence in sequences:
                sequences.remove(sequence)
        self._manager.release(sequence)

    def preempt(self, sequence: Sequence) -> None:
        """Takes the blocks of a sequence that runs, and lets it wait."""
        self.running.remove(sequence)
        self._manager.release(sequence)
        insort(self.waiting, sequence, key=_RANK)
        self.preemptions += 1

    def learn(self, tokens: int, seconds: float) -> None:
        """Hears how long a step of so many tokens took."""
        self._pace.learn(tokens, seconds)
        if tokens <= max(FEWEST_TOKENS, self._settings.slots):  # a long part of a prompt tells little of next tokens
            self._yielding.learn(tokens, seconds)

    def isolate(self, sequence: Sequence, until: int) -> None:
        """Lets a sequence run in steps of its own until so many of its tokens are computed."""
        sequence.alone_until = until
        if sequence not in self._alone:
            insort(self._alone, sequence, key=_RANK)

    def schedule(self) -> list[StepPart]:
        """The parts of the next step; none when nothing can run."""
        self._alone = [sequence for sequence in self._alone if sequence.computed < sequence.alone_until]
        if self._alone:
            return self._alone_part(self._alone[0])
        self._steps += 1
        step = _Step(self._budget(sum(sequence.remaining == 1 for sequence in self.running)), self._score_rows)
        highest, lowest = self._classes()
        self._fill(step, highest)
        if lowest > highest and step.tokens:
            urgent = step.tokens
            step.keep_to(self._yielding.room(urgent))
            self._fill_in_turns(step, above=highest)
            self._yielding.took(step.tokens - urgent)
        elif lowest > highest:  # whatever is urgent waits for blocks, or for what another computes
            self._fill(step, lowest)
        self._draft(step)
        for sequence in step.parts:
            sequence.last_step = self._steps
        return list(step.parts.values())

    def _classes(self) -> tuple[int, int]:
        """The most urgent class of what there is to compute, and the least: both lists are in the order of ranks."""
        ends = [each.priority_class for found in (self.running, self.waiting) for each in (*found[:1], *found[-1:])]
        return min(ends, default=0), max(ends, default=0)

    def _fill(self, step: _Step, lowest: int) -> None:
        """Adds what there is to compute in a class and above."""
        for sequence in [each for each in self.running if each.remaining == 1 and each.priority_class <= lowest]:
            if self._grow(sequence, step):
                step.add(sequence)
        for sequence in self.running:
            if sequence.remaining > 1 and sequence.priority_class <= lowest:
                step.add(sequence)
        self._start_prompts(step, lowest)

    def _fill_in_turns(self, step: _Step, above: int) -> None:
        """Adds what there is below a class, first what has waited longest for a step."""
        rest = [sequence for sequence in self.running if sequence.priority_class > above]
        for sequence in sorted(rest, key=_LAST_STEP):
            if not step.room:
                return
            if self._grow(sequence, step):
                step.add(sequence)
        self._start_prompts(step, _LOWEST)

    def _budget(self, answers: int) -> int:
        """The tokens of the next step, in which so many sequences wait for their next token."""
        longest = self._settings.max_step_tokens
        if answers:
            prompts = sum(sequence.remaining for sequence in self.running) - answers
            prompts += sum(len(sequence.tokens) + sequence.request.unread_tokens for sequence in self.waiting)
            longest = min(longest, max(self._settings.step_tokens, prompts // _BACKLOG_STEPS))
        return max(min(longest, self._pace.most_tokens), self._settings.slots)

    def _grow(self, sequence: Sequence, step: _Step) -> bool:
        """Gets the blocks of all tokens, at the cost of the last in rank; False where that is the sequence itself."""
        if not len(sequence.table):  # pre-empted in this step
            return False
        while not self._manager.grow(sequence, len(sequence.tokens)):
            last = self.running[-1]
            step.drop(last)
            self.preempt(last)
            if last is sequence:
                return False
        return True

    def _start_prompts(self, step: _Step, lowest: int) -> None:
        for sequence in list(self.waiting):
            if not step.room or sequence.priority_class > lowest:
                return
            if self._is_being_computed(sequence):
                continue
            if not self._admit(sequence, step):
                return
            self.waiting.remove(sequence)
            insort(self.running, sequence, key=_RANK)
            step.add(sequence)

    def _is_being_computed(self, sequence: Sequence) -> bool:
        """Whether much of what a sequence would compute is what one before it computes anyway.

        It then starts when that is there. Only one of a lower rank is waited for: it goes on in any case.
        """
        before = [other for other in self.running if other.remaining > 1 and other.rank < sequence.rank]
        pending = self._manager.pending_prefix(sequence, before) if before else 0
        return pending > 0 and pending * _WORTH_WAITING >= sequence.remaining

    def _admit(self, sequence: Sequence, step: _Step) -> bool:
        """Gets the blocks of a sequence that waits, also at the cost of those with a lower priority."""
        # A block for each that is not in its power, lest the newcomer is pre-empted soon after.
        kept = sum(1 for other in self.running if other.rank[0] <= sequence.rank[0])
        while not self._manager.admit(sequence, reserve=kept):
            if len(self.running) == kept:
                return False
            last = self.running[-1]
            step.drop(last)
            self.preempt(last)
        return True

    def _draft(self, step: _Step) -> None:
        """Fills the room that is left with guesses, where there are blocks for them that nobody needs soon."""
        for part in step.parts.values():
            sequence = part.sequence
            if sequence.drafter is None or not part.samples or not sequence.request.is_forked:
                continue
            length = len(sequence.tokens)
            room = min(step.room, sequence.request.limit - sequence.answer_length - 1)
            drafts = sequence.drafter.propose(sequence.tokens, room)
            if self._manager.pool.available > len(self.running):
                self._manager.grow(sequence, length + len(drafts))
            step.add_drafts(part, drafts[: self._manager.room(sequence) - length])

    def _alone_part(self, sequence: Sequence) -> list[StepPart]:
        """A step of one sequence, at the cost of all others where it must be."""
        step = _Step(self._budget(answers=0), self._score_rows)
        if sequence in self.waiting:
            while not self._manager.admit(sequence, reserve=0):
                self.preempt(self.running[-1])
            self.waiting.remove(sequence)
            insort(self.running, sequence, key=_RANK)
        while not self._manager.grow(sequence, len(sequence.tokens)):
            self.preempt(next(other for other in reversed(self.running) if other is not sequence))
        step.add(sequence)
        return list(step.parts.values())


class _Step:
    """A step while it is put together."""

    def __init__(self, tokens: int, score_rows: int) -> None:
        self.parts: dict[Sequence, StepPart] = {}
        self._tokens = tokens
        self._score_rows = score_rows
        self._images = _STEP_IMAGES

    @property
    def room(self) -> int:
        """How many tokens more it takes."""
        return max(0, self._tokens)

    @property
    def tokens(self) -> int:
        """How many it has."""
        return sum(part.length for part in self.parts.values())

    def keep_to(self, tokens: int) -> None:
        """Takes no more than so many tokens more."""
        self._tokens = min(self._tokens, tokens)

    def add(self, sequence: Sequence) -> None:
        """Adds as many of a sequence's next tokens as there is room for."""
        request = sequence.request
        begin = sequence.computed
        end = begin + min(sequence.remaining, self.room)
        scored = 0
        if request.is_scoring:
            scored = max(0, min(request.prompt_length - 1, end) - request.scored)
            if scored > self._score_rows:
                scored = self._score_rows
                end = request.scored + scored
        end = self._up_to_images(request, begin, end)
        if end > begin:
            scored = min(scored, max(0, end - request.scored))
            self._tokens -= end - begin + request.unread_tokens  # an encoder reads its text in one piece
            self._score_rows -= scored
            self.parts[sequence] = StepPart(sequence, begin, end, scored, end == len(sequence.tokens))

    def _up_to_images(self, request: ActiveRequest, begin: int, end: int) -> int:
        """Where a part ends that has no more images to be read than the step may still have."""
        unread = request.unread_images(begin, end) if request.given.images else []
        if len(unread) > self._images:
            end = max(begin, request.given.images[unread[self._images]].begin)
        self._images -= min(len(unread), self._images) if end > begin else 0
        return end

    def add_drafts(self, part: StepPart, drafts: list[int]) -> None:
        """Adds guesses to a part."""
        part.drafts = drafts
        self._tokens -= len(drafts)

    def drop(self, sequence: Sequence) -> None:
        """Takes a sequence's tokens out again."""
        if part := self.parts.pop(sequence, None):
            self._tokens += part.length + sequence.request.unread_tokens
            self._score_rows += part.scored
