"""What a kept answer counts as: its tokens, all as cached, and nothing that was not spent."""

from __future__ import annotations

from typing import Any

from panope_registry.serving_records.usage import UsageCounts
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.step import Pipeline
from panope_server.transport.errors import code_name


class Ledger:
    """Keeps what calls have used."""

    def __init__(self) -> None:
        self.used: list[UsageCounts] = []

    def add(self, principal: str, model: str, task: str, counts: UsageCounts) -> None:
        self.used.append(counts)


async def test_the_first_call_pays_for_the_run_and_the_next_for_its_tokens(cached: Any) -> None:
    ledger = Ledger()

    async def run(call: Any) -> None:
        call.input_bytes = 100
        call.output_bytes += 10
        call.placement.device_microseconds += 500
        await cached.computer.answer(call)

    account = Accounting(Metrics(), code_name, log_requests=False, usage=ledger)
    pipeline = Pipeline([account, cached.step], run)
    for _ in range(2):
        await pipeline.run(cached.call(["abc"]))
    assert ledger.used == [
        UsageCounts(requests=1, input_tokens=3, input_bytes=100, output_bytes=10, device_microseconds=500),
        UsageCounts(requests=1, input_tokens=3, cached_tokens=3),
    ]
