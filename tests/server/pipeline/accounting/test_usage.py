"""What a call has used, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import InstanceLostError, NotFoundError, OverloadedError
from panope_registry.serving_records.inference_log import LoggedCall
from panope_registry.serving_records.usage import UsageCounts
from panope_server.access.principal import Principal, set_principal
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.call import Call, Collected
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.generate.types import GenerateDelta, GenerateInput, GenerateOutput, GenerateUsage
from panope_server.tasks.task import Output
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput
from panope_server.transport.errors import code_name

FIRST = GenerateOutput([GenerateDelta(token_ids=[1, 2], text="ab")], prompt_tokens=7)
LAST = GenerateOutput([GenerateDelta(token_ids=[3], text="c", finish_reason="stop")], GenerateUsage(7, 3, 4))


@dataclass
class Ledger:
    """Keeps what is added."""

    used: list[tuple[str, str, str, UsageCounts]] = field(default_factory=list)
    logged: list[LoggedCall] = field(default_factory=list)

    def add(self, principal: str, model: str, task: str, counts: UsageCounts) -> None:
        self.used.append((principal, model, task, counts))

    @property
    def only(self) -> UsageCounts:
        assert len(self.used) == 1
        return self.used[0][3]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def run(ledger: Ledger, call: Callable[..., Call], resolved):
    """Runs a call whose instance gives these parts and then, perhaps, fails."""
    account = Accounting(Metrics(), code_name, log_requests=True, keep=ledger.logged.append, usage=ledger)

    async def run(task_input, *parts: Output, error: BaseException | None = None, known: bool = True) -> None:
        async def forward(made: Call) -> None:
            if known:
                made.resolved = resolved()
            made.input_bytes = 100
            for part in parts:
                made.output_bytes += 10
                made.placement.device_microseconds += 500
                await made.output.put(part)
            if error is not None:
                raise error

        made = call(task_input)
        made.output = Collected()
        with nullcontext() if error is None else pytest.raises(type(error)):
            await account(made, forward)

    return run


async def test_tokens_bytes_and_device_time_of_an_answer_are_its_callers(run, ledger: Ledger, answer: Output) -> None:
    set_principal(Principal("ada"))
    await run(EmbedInput(texts=["hello"]), answer)
    counts = UsageCounts(requests=1, input_tokens=3, input_bytes=100, output_bytes=10, device_microseconds=500)
    assert ledger.used == [("ada", "acme/tiny", "embed", counts)]


async def test_a_whole_answer_counts_as_its_last_part_tells_and_cached_tokens_apart(run, ledger: Ledger) -> None:
    await run(GenerateInput(prompts=["x"]), FIRST, LAST)
    counts = ledger.only
    assert (counts.input_tokens, counts.cached_tokens, counts.output_tokens) == (7, 4, 3)
    assert (counts.failed_requests, counts.output_bytes, counts.device_microseconds) == (0, 20, 1000)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), InstanceLostError("the worker ended"), RuntimeError("a defect")]
)
async def test_a_stream_that_is_cut_counts_what_was_delivered(run, ledger: Ledger, error: BaseException) -> None:
    with capture_logs() as lines:
        await run(GenerateInput(prompts=["x"]), FIRST, error=error)
    counts = ledger.only
    assert (counts.requests, counts.failed_requests) == (1, 1)
    assert (counts.input_tokens, counts.output_tokens, counts.output_bytes) == (7, 2, 10)
    (kept,) = ledger.logged
    assert (kept.input_units, kept.output_units) == (7, 2)
    (line,) = [entry for entry in lines if entry["event"] == "request_finished"]
    assert (line["input_units"], line["output_units"]) == (7, 2)


async def test_of_several_prompts_those_that_were_answered_count(run, ledger: Ledger) -> None:
    await run(GenerateInput(prompts=["x", "y"]), LAST, error=InstanceLostError("the worker ended"))
    assert (ledger.only.input_tokens, ledger.only.output_tokens) == (7, 3)


async def test_a_refused_call_is_a_failed_request_and_nothing_else(run, ledger: Ledger) -> None:
    await run(DetokenizeInput([[1, 2]]), error=OverloadedError("full"))
    assert ledger.only == UsageCounts(requests=1, failed_requests=1)


async def test_a_call_of_a_model_that_nobody_knows_counts_nowhere(run, ledger: Ledger) -> None:
    await run(EmbedInput(texts=["x"]), error=NotFoundError("no such model"), known=False)
    assert ledger.used == []


async def test_units_that_are_no_tokens_are_not_told_as_tokens(run, ledger: Ledger) -> None:
    tensor = NamedTensor("x", "float32", (2,), bytes(8))
    await run(TensorInput([tensor], []), TensorOutput([tensor]))
    await run(DetokenizeInput([[1, 2, 3]]), DetokenizeOutput(["abc"]))
    told = [(task, counts.input_tokens, counts.output_tokens) for _, _, task, counts in ledger.used]
    assert told == [("tensors", 0, 0), ("detokenize", 3, 0)]
