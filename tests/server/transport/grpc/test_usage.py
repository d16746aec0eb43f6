"""UsageService on a real registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from panope.v1 import usage_service_pb2 as pb
from panope.v1 import usage_service_pb2_grpc as pb_grpc
from panope_registry.serving_records.usage import UsageCounts, UsageKey
from panope_registry.session import RegistrySession
from panope_server.runtime.async_registry.usage import AsyncUsage
from panope_server.transport.grpc.registry.usage_servicer import UsageServicer
from panope_server.transport.interceptors.errors import ErrorInterceptor
from panope_server.transport.running_calls import RunningCalls

HOUR = datetime(2026, 1, 2, 23, tzinfo=UTC)
BY = pb.ListUsageRequest


@pytest.fixture
async def usage(tmp_path: Path) -> AsyncIterator[Any]:
    """The method of a client."""
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path) as session:
        keys = [
            UsageKey(HOUR + timedelta(hours=hour), who, "acme/tiny", "embed") for hour in (0, 1) for who in ("", "ada")
        ]
        session.usage.write("w", 1, dict.fromkeys(keys, UsageCounts(3, 1, 10, 2, 5, 6, 7, 1_500_000)))
        server = grpc.aio.server(interceptors=[ErrorInterceptor(RunningCalls())])
        pb_grpc.add_UsageServiceServicer_to_server(UsageServicer(AsyncUsage(session.usage)), server)
        server.add_insecure_port(f"unix:{tmp_path}/grpc")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix:{tmp_path}/grpc") as channel:
            yield pb_grpc.UsageServiceStub(channel).ListUsage
        await server.stop(None)


async def test_sums_are_told_by_what_was_asked_page_by_page(usage: Any) -> None:
    whole = await usage(pb.ListUsageRequest())
    assert list(whole.usage) == [
        pb.Usage(
            requests=12,
            failed_requests=4,
            input_tokens=40,
            cached_tokens=8,
            output_tokens=20,
            input_bytes=24,
            output_bytes=28,
            device_seconds=6.0,
        )
    ]
    request = pb.ListUsageRequest(by=[BY.DIMENSION_DAY, BY.DIMENSION_KEY], page_size=3)
    first = await usage(request)
    request.page_token = first.next_page_token
    second = await usage(request)
    told = [(each.start_time.ToDatetime(UTC), each.principal) for each in [*first.usage, *second.usage]]
    days = HOUR.replace(hour=0), HOUR.replace(hour=0) + timedelta(days=1)
    assert told == [(days[0], ""), (days[0], "ada"), (days[1], ""), (days[1], "ada")]
    assert second.next_page_token == ""


async def test_use_is_told_from_an_hour_on_and_of_one_caller(usage: Any) -> None:
    since = Timestamp()
    since.FromDatetime(HOUR + timedelta(minutes=90))
    found = await usage(pb.ListUsageRequest(start_time=since, principal="", by=[BY.DIMENSION_HOUR]))
    assert [(each.start_time.ToDatetime(UTC), each.requests) for each in found.usage] == [
        (HOUR + timedelta(hours=1), 3)
    ]
    assert not found.usage[0].HasField("principal")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (pb.ListUsageRequest(by=[BY.DIMENSION_DAY, BY.DIMENSION_HOUR]), "`by`"),
        (pb.ListUsageRequest(by=[9]), "`by` has no value 9"),  # type: ignore[list-item]  # what the test refuses
        (pb.ListUsageRequest(by=[BY.DIMENSION_UNSPECIFIED]), "`by` has no value 0"),
        (pb.ListUsageRequest(start_time=Timestamp(seconds=1 << 60)), "`start_time`"),
        (pb.ListUsageRequest(page_size=1001), "`page_size`"),
        (pb.ListUsageRequest(page_token="bm8="), "`page_token`"),
    ],
)
async def test_what_cannot_be_told_is_refused_by_the_field(
    usage: Any, request_: pb.ListUsageRequest, said: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=said) as caught:
        await usage(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
