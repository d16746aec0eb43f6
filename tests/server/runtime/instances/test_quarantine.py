"""Requests that were with workers when these died."""

from __future__ import annotations

import itertools

import pytest

from panope_backends.errors import PreconditionError
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.instance_supervisor import CRASH_LIMIT
from panope_server.runtime.instances.quarantine import (
    DEATHS_ALONE_TO_REFUSE,
    DEATHS_TO_RUN_ALONE,
    MAX_REMEMBERED,
    REMEMBERED_SECONDS,
    Quarantine,
    fingerprint_of,
)
from panope_server.runtime.instances.worker.frames import request_frame
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input
from panope_server.tasks.tensors import NamedTensor, TensorInput

_ids = itertools.count(1)


def entry(task_input: Input | str) -> Entry:
    entry_id = next(_ids)
    given = EmbedInput(texts=[task_input]) if isinstance(task_input, str) else task_input
    (request,) = requests_of(given)
    frame, head_bytes = request_frame(entry_id, request, CallContext(f"request-{entry_id}", "ada"), entry_id)
    return Entry(entry_id, frame, 1, 1, head_bytes=head_bytes)


def prints(*texts: str) -> set[bytes]:
    return {fingerprint_of(entry(text)) for text in texts}


async def test_a_request_is_known_again_whoever_sends_it_and_no_other_is_taken_for_it() -> None:
    assert fingerprint_of(entry("text")) == fingerprint_of(entry("text"))
    large = [TensorInput([NamedTensor("x", "uint8", (size,), bytes(size))]) for size in (1 << 20, (1 << 20) + 1)]
    others = ["text", "text ", EmbedInput(texts=["text"], normalize=True), *large]
    assert len({fingerprint_of(entry(each)) for each in others}) == len(others)


async def test_one_that_was_with_two_workers_that_died_runs_alone() -> None:
    quarantine = Quarantine("acme/tiny")
    quarantine.died(prints("bad", "innocent", "other"))
    once = entry("bad")
    quarantine.admit(once)
    assert not once.alone
    quarantine.died(prints("bad", "another"))
    twice, innocent = entry("bad"), entry("innocent")
    quarantine.admit(twice)
    quarantine.admit(innocent)
    assert (twice.alone, innocent.alone) == (True, False)


async def test_one_that_two_workers_died_of_alone_is_refused_for_a_while() -> None:
    now = 0.0
    quarantine = Quarantine("acme/tiny", lambda: now)
    for company in ("innocent", "other"):
        quarantine.died(prints("bad", company))
    quarantine.died(prints("bad"))
    quarantine.admit(entry("bad"))  # once may be chance: somebody killed the worker
    quarantine.died(prints("bad"))
    with pytest.raises(PreconditionError, match="4 times, 2 times with no other") as caught:
        quarantine.admit(entry("bad"))
    assert caught.value.reason == "request_quarantined"
    quarantine.admit(entry("innocent"))
    now = REMEMBERED_SECONDS
    again = entry("bad")
    quarantine.admit(again)
    assert not again.alone


async def test_a_model_outlives_a_request_that_ends_workers() -> None:
    assert DEATHS_TO_RUN_ALONE + DEATHS_ALONE_TO_REFUSE < CRASH_LIMIT


async def test_one_worker_that_dies_of_whatever_refuses_nobody() -> None:
    quarantine = Quarantine("acme/tiny")
    quarantine.died(prints("alone by chance"))
    quarantine.admit(entry("alone by chance"))


async def test_an_answer_clears_a_request() -> None:
    quarantine = Quarantine("acme/tiny")
    quarantine.died(prints("text", "other"))
    quarantine.died(prints("text", "more"))
    quarantine.answered(entry("text"))
    again = entry("text")
    quarantine.admit(again)
    assert not again.alone


async def test_what_is_remembered_is_bounded() -> None:
    quarantine = Quarantine("acme/tiny")
    for number in range(MAX_REMEMBERED + 10):
        quarantine.died({number.to_bytes(4, "little")})
    assert len(quarantine._records) == MAX_REMEMBERED
