"""A pipeline of the cache alone, in front of a model that answers by its inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from panope_registry.models.types import ModelEntry
from panope_server.config import ResponseCacheSettings
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.statistics import CacheCounts
from panope_server.pipeline.cache.step import Cache
from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.call import CacheControl, Call
from panope_server.pipeline.step import Pipeline
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.tasks.catalog import MAX_REQUEST_ITEMS, task_of
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.generate.types import GenerateDelta, GenerateInput, GenerateOutput, GenerateUsage
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tensors import TensorInput, TensorOutput

COMPUTATION = Computation("a" * 64, "openvino", "fp32", "openvino", "cpu", "bf16")
MODEL = "acme/tiny"
SECONDS = 60
ANY_AGE = CacheControl()


@dataclass
class Computer:
    """A model that answers by what its inputs say, and what computes with it.

    Attributes:
        ran: every text and prompt that was run, in order.
        gate: what a run waits for before it answers.
        error: what the next run fails with.
        gone: runs that were cancelled.
        changed: set at each run, and at each run that is cancelled.
        pieces: parts of a generated answer.
        on_run: called at each run.
    """

    computation: Computation | None = COMPUTATION
    facts: object = None
    ran: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    error: Exception | None = None
    gone: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pieces: int = 1
    on_run: Callable[[], None] = lambda: None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for what runs bring about."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def until_ran(self, count: int) -> None:
        """Waits until so many texts and prompts have been run."""
        await self.until(lambda: len(self.ran) >= count)

    def facts_of(self, model: ResolvedModel) -> object:
        return self.facts

    def computation_of(self, model: ResolvedModel) -> Computation | None:
        return self.computation

    async def answer(self, call: Call) -> None:
        """Runs a call, in parts as large as those of a worker."""
        for part in task_of(call.input).split(call.input, MAX_REQUEST_ITEMS):
            self.ran += _texts(part)
            self.changed.set()
            self.on_run()
            if self.computation is not None:
                call.placement.variant_digest = self.computation.variant_digest
                call.placement.backend = self.computation.backend
            if self.gate is not None:
                try:
                    await self.gate.wait()
                except asyncio.CancelledError:
                    self.gone += 1
                    self.changed.set()
                    raise
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            for output in self._outputs(part):
                await call.output.put(output)

    def _outputs(self, given: Input) -> Sequence[Output]:
        match given:
            case EmbedInput():
                cut = [given.first_index + at for at, text in enumerate(given.texts) if len(text) > 20]
                vectors = b"".join(vector_of(text) for text in given.texts)
                return [EmbedOutput(vectors, len(given.texts), 2, [len(text) for text in given.texts], cut)]
            case GenerateInput():
                words = [f"{given.prompts[0]} {number}" for number in range(self.pieces)]
                deltas = [GenerateDelta(text=word) for word in words]
                deltas[-1].finish_reason = "stop"
                usage = GenerateUsage(len(given.prompts[0]), self.pieces)
                return [GenerateOutput([delta], usage if delta is deltas[-1] else None) for delta in deltas]
            case TensorInput():
                return [TensorOutput(given.inputs)]
        raise AssertionError(given)


def _texts(given: Input) -> list[str]:
    match given:
        case EmbedInput():
            return given.texts
        case GenerateInput():
            return given.prompts
        case TensorInput():
            return [tensor.name for tensor in given.inputs]
    raise AssertionError(given)


def vector_of(text: str) -> bytes:
    """The vector of a text, of two values."""
    return text.encode()[:8].ljust(8, b"\0")


@dataclass
class Cached:
    """A pipeline of the cache alone, in front of a model.

    Attributes:
        now: seconds, on every clock.
    """

    computer: Computer = field(default_factory=Computer)
    metrics: Metrics = field(default_factory=Metrics)
    now: float = 1000.0
    counts: CacheCounts = field(init=False)
    store: MemoryStore = field(init=False)
    kept: KeptAnswers = field(init=False)
    pipeline: Pipeline = field(init=False)
    settings: ResponseCacheSettings = field(default_factory=lambda: ResponseCacheSettings(enabled=True))

    def __post_init__(self) -> None:
        settings = self.settings
        self.counts = CacheCounts(self.metrics)
        self.store = MemoryStore(settings.size, settings.entry_size, settings.ttl_seconds, clock=lambda: self.now)
        self.kept = KeptAnswers(self.store, settings.ttl_seconds, clock=lambda: self.now)
        self.step = Cache(settings, self.kept, self.computer, self.counts, "1.0")
        self.pipeline = Pipeline([self.step], self.computer.answer)

    def call(self, given: Input | Sequence[str], control: CacheControl = ANY_AGE, model: str = MODEL) -> Call:
        task_input = given if isinstance(given, Input) else EmbedInput(list(given))
        made = Call(requested_model=model, input=task_input, task="", interface="Service/Method", request_id="r")
        made.cache_control = control
        entry = ModelEntry(model, "embed", "", datetime(2026, 1, 2, tzinfo=UTC), {}, (), {})
        made.resolved, made.resolved_model = ResolvedModel(ResolvedName(model), entry), model
        return made

    async def ask(self, given: Input | Sequence[str], control: CacheControl = ANY_AGE) -> tuple[Any, str]:
        """The answer, and where it came from."""
        call = self.call(given, control)
        return await self.pipeline.run(call), call.cache_status

    def counted(self, name: str) -> float:
        """All of one counter."""
        return sum(
            sample.value
            for metric in getattr(self.metrics, name).collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
