"""UsageService: translates and delegates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from panope.v1 import usage_service_pb2 as pb
from panope.v1 import usage_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_registry.serving_records.usage import Dimension, UsageFilter, UsageSum
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.registry.model_messages import timestamp
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Usage
from panope_server.transport.paging import after_of, page_of, page_size_of, wrong_token
from panope_server.transport.services import Services

_DIMENSIONS = {
    pb.ListUsageRequest.DIMENSION_KEY: Dimension.KEY,
    pb.ListUsageRequest.DIMENSION_MODEL: Dimension.MODEL,
    pb.ListUsageRequest.DIMENSION_TASK: Dimension.TASK,
    pb.ListUsageRequest.DIMENSION_DAY: Dimension.DAY,
    pb.ListUsageRequest.DIMENSION_HOUR: Dimension.HOUR,
}
_BY_NUMBER = {int(number): dimension for number, dimension in _DIMENSIONS.items()}

MAX_DIGITS = 9
"""Of a page's place."""


class UsageServicer(pb_grpc.UsageServiceServicer):
    """Serves panope.v1.UsageService."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_UsageServiceServicer_to_server(cls(services.usage), server)

    async def ListUsage(self, request: pb.ListUsageRequest, context: Context) -> pb.ListUsageResponse:
        """Lists what was used."""
        size, offset = page_size_of(request.page_size), _offset(request.page_token)
        only = UsageFilter(
            since=_moment(request, "start_time"),
            until=_moment(request, "end_time"),
            principal=request.principal if request.HasField("principal") else None,
            model=request.model,
            task=request.task,
        )
        found = await self._usage.sums(only, by=_by(request.by), offset=offset, limit=size + 1)
        page, token = page_of(found, size, lambda _: str(offset + size))
        return pb.ListUsageResponse(usage=[_message(each) for each in page], next_page_token=token)


def _by(given: Sequence[int]) -> list[Dimension]:
    return [known(_BY_NUMBER, number, "by") for number in given]


def _moment(request: pb.ListUsageRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # one of two names
        return None
    given: Timestamp = getattr(request, field)
    try:
        return given.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"`{field}` is no moment", field=field) from None


def _offset(token: str) -> int:
    text = after_of(token) or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise wrong_token()
    return int(text)


def _message(found: UsageSum) -> pb.Usage:
    counts = found.counts
    return pb.Usage(
        start_time=timestamp(datetime.fromisoformat(found.period).replace(tzinfo=UTC)) if found.period else None,
        principal=found.principal,
        model=found.model or "",
        task=found.task or "",
        requests=counts.requests,
        failed_requests=counts.failed_requests,
        input_tokens=counts.input_tokens,
        cached_tokens=counts.cached_tokens,
        output_tokens=counts.output_tokens,
        input_bytes=counts.input_bytes,
        output_bytes=counts.output_bytes,
        device_seconds=counts.device_microseconds / 1e6,
    )
