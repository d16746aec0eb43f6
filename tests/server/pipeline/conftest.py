from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from panope_registry.models.types import ModelEntry
from panope_server.pipeline.call import Call
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.task import Input, Output

MakeCall = Callable[..., Call]
Resolved = Callable[..., ResolvedModel]


@pytest.fixture
def resolved() -> Resolved:
    """Makes what a name was looked up to."""

    def make(
        model: str = "acme/tiny", task: str = "embed", variant: str = "", candidates: tuple[str, ...] = ()
    ) -> ResolvedModel:
        created = datetime(2026, 1, 2, tzinfo=UTC)
        entry = ModelEntry(model, task, "", created, {}, (), {}, task_candidates=candidates)
        return ResolvedModel(ResolvedName(model, variant), entry)

    return make


@pytest.fixture
def call() -> MakeCall:
    def make(task_input: Input | None = None, model: str = "acme/tiny", task: str = "embed") -> Call:
        return Call(
            requested_model=model,
            input=EmbedInput(texts=["hello"]) if task_input is None else task_input,
            task=task,
            interface="EmbedService/Embed",
            request_id="r1",
        )

    return make


@pytest.fixture
def answer() -> Output:
    return EmbedOutput(vectors=b"\0" * 8, count=1, dimensions=2, token_counts=[3], truncated_indices=[])
