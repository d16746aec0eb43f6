"""A sample of the calls that servers answered: when, what, where, how long; their prompts only where wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from panope_backends.errors import InvalidInputError
from panope_registry.names import checked_limit, checked_text
from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import inference_log

PRUNED_AT_ONCE = 5_000
"""Rows that one transaction deletes, so that none holds up other writers for long."""


@dataclass(frozen=True)
class LoggedCall:
    """One call.

    Attributes:
        at: when it ended.
        request_id: also in the answer, and in the log of the server.
        model: `vendor/name`.
        variant_digest: that was run; empty when none was.
        instance: that ran it; empty when none was reached.
        task: of the model.
        outcome: `ok`, `cancelled`, or the reason of the error.
        duration_seconds: from arrival to answer.
        input_units: tokens of text, bytes of others.
        output_units: as `input_units`.
        principal: the caller's name, empty for one that nobody knows; None in rows of an older Panope, as all below.
        interface: the method that was called, such as `EmbedService/Embed`.
        session: the caller's own word for what the call belongs to; None when it gave none.
        error_message: the sentence that the caller was told; None when it was told none.
        prompt: the input's texts; None unless the settings keep them.
        route: why an alias with several targets gave the call to this model; None for a model or alias of one.
    """

    created_at: datetime
    request_id: str
    model: str
    variant_digest: str
    instance: str
    task: str
    outcome: str
    duration_seconds: float
    input_units: int
    output_units: int
    principal: str | None = None
    interface: str | None = None
    session: str | None = None
    error_message: str | None = None
    prompt: str | None = None
    route: str | None = None

    @property
    def status(self) -> str:
        """`ok`, `cancelled` or `error`."""
        return self.outcome if self.outcome in ("ok", "cancelled") else "error"


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """Which calls are told; empty words and None are for all.

    Attributes:
        since: when they ended, at the earliest.
        status: `ok`, `cancelled` or `error`.
    """

    model: str = ""
    task: str = ""
    principal: str | None = None
    status: str = ""
    request_id: str = ""
    since: datetime | None = None


EVERY_CALL = LogFilter()


_FIELDS = tuple(LoggedCall.__dataclass_fields__)


class InferenceLog:
    """The table `inference_log`. Safe for use by several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, calls: Sequence[LoggedCall]) -> None:
        """Writes calls in one transaction.

        Raises:
            AvailabilityError: the database does not answer; nothing was written.
        """
        if calls:
            with self._database.write() as connection:
                connection.execute(insert(inference_log), [asdict(call) for call in calls])

    def newest(self, *, model: str = "", limit: int = 100) -> list[LoggedCall]:
        """Returns the calls that ended last, of one model if it is named.

        Raises:
            InvalidInputError: that is longer than any model's name, or the limit is negative.
        """
        checked_text(model, "model")
        checked_limit(limit)
        wanted = (
            select(inference_log).order_by(inference_log.c.created_at.desc(), inference_log.c.id.desc()).limit(limit)
        )
        if model:
            wanted = wanted.where(inference_log.c.model == model)
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings()
            return [LoggedCall(**{name: row[name] for name in _FIELDS}) for row in rows]

    def find(self, only: LogFilter = EVERY_CALL, *, after: int = 0, limit: int = 100) -> list[tuple[int, LoggedCall]]:
        """Returns the calls that were written last, each with its number, in the order in which they were written.

        Args:
            only: which calls.
            after: the number after which they begin, so that what comes later can be followed.
            limit: how many.

        Raises:
            InvalidInputError: a word is too long or no such status, or the limit is negative.
        """
        if only.status not in ("", "ok", "cancelled", "error"):
            raise InvalidInputError.at("status", "{field} must be `ok`, `cancelled` or `error`")
        wanted = select(inference_log).where(inference_log.c.id > after)
        named = {"model": only.model, "task": only.task, "request_id": only.request_id}
        for name, value in named.items():
            if checked_text(value, name):
                wanted = wanted.where(inference_log.c[name] == value)
        if only.principal is not None:
            wanted = wanted.where(inference_log.c.principal == checked_text(only.principal, "principal"))
        if only.status in ("ok", "cancelled"):
            wanted = wanted.where(inference_log.c.outcome == only.status)
        elif only.status:
            wanted = wanted.where(inference_log.c.outcome.not_in(("ok", "cancelled")))
        if only.since is not None:
            wanted = wanted.where(inference_log.c.created_at >= only.since)
        newest = wanted.order_by(inference_log.c.id.desc()).limit(checked_limit(limit))
        with self._database.read() as connection:
            rows = connection.execute(newest).mappings().all()
        return [(int(row["id"]), LoggedCall(**{name: row[name] for name in _FIELDS})) for row in reversed(rows)]

    def prune(self, before: datetime) -> int:
        """Deletes what ended before a moment, in small transactions; how many it was."""
        old = select(inference_log.c.id).where(inference_log.c.created_at < before)
        oldest = old.limit(PRUNED_AT_ONCE).with_for_update(skip_locked=True)
        count = 0
        while True:
            with self._database.write() as connection:
                gone = connection.execute(delete(inference_log).where(inference_log.c.id.in_(oldest))).rowcount
            count += gone
            if gone < PRUNED_AT_ONCE:
                return count
