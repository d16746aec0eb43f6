# Generated from panope_client/aio/usage_calls.py by clients/python/generate.py; do not edit.
"""Calls that tell what callers have used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from panope.v1 import usage_service_pb2 as usage_pb
from panope.v1.usage_service_pb2 import Usage
from panope_client.arguments import request_of, timestamp_of
from panope_client.messages.usage import dimensions_of
from panope_client.sync.connection import Connection


class UsageCalls(Connection):
    """The calls of `Client` on what callers have used."""

    def usage(
        self,
        *,
        by: Sequence[str] = ("key", "model", "task"),
        since: datetime | None = None,
        until: datetime | None = None,
        principal: str | None = None,
        model: str = "",
        task: str = "",
        timeout: float | None = None,
    ) -> list[Usage]:
        """Returns sums of what was used, by time first, then caller, model and task.

        Args:
            by: what sums are told by: `key`, `model`, `task`, `day` or `hour`; one sum of all without any.
            since: the hour that holds it is the first; None for all. A moment without a zone is refused.
            until: the hour that holds it is not told any more.
            principal: only of this caller; empty for callers that nobody knows, None for all.
            model: only of this model.
            task: only of this task.
            timeout: seconds, as for every call.
        """
        request = request_of(
            usage_pb.ListUsageRequest,
            by=dimensions_of(by),
            start_time=timestamp_of(since, "since"),
            end_time=timestamp_of(until, "until"),
            principal=principal,
            model=model,
            task=task,
            page_size=1000,
        )
        usage: list[Usage] = []
        while True:
            page = self._call(self._usage.ListUsage, request, timeout)
            usage += page.usage
            if not page.next_page_token:
                return usage
            request.page_token = page.next_page_token
