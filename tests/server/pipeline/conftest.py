from __future__ import annotations

from collections.abc import Callable

import pytest

from panope_server.tasks.work import Answer, Call, EmbedAnswer, EmbedWork, Work

MakeCall = Callable[..., Call]


@pytest.fixture
def call() -> MakeCall:
    def make(work: Work | None = None, model: str = "acme/tiny", task: str = "embed") -> Call:
        return Call(
            model=model,
            work=EmbedWork(texts=["hello"]) if work is None else work,
            task=task,
            interface="EmbedService/Embed",
            request_id="r1",
        )

    return make


@pytest.fixture
def answer() -> Answer:
    return EmbedAnswer(vectors=b"\0" * 8, count=1, dimensions=2, token_counts=[3], truncated_indices=[])
