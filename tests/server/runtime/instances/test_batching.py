"""A model whose texts cannot share a batch says so, in its information and in the log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("blend", "batching", "told"),
    [("", "any", []), ("padding", "equal_length", ["equal_length"]), ("batch", "alone", ["alone"])],
)
async def test_a_model_whose_texts_cannot_share_a_batch_says_so(
    rig, blend: str, batching: str, told: list[str]
) -> None:
    made = rig("BlendingBackend" if blend else "EchoBackend", config={"blend": blend})
    with capture_logs() as lines:
        await made.runtime.load()
    assert made.runtime.facts.batching == batching
    events = [line for line in lines if line["event"] == "batching_restricted"]
    assert [(line["model"], line["batching"]) for line in events] == [("acme/echo", each) for each in told]
    assert all(line["log_level"] == "warning" for line in events)
