"""A sample of the calls that servers answered: when, what, where, how long; never their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

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
            return [LoggedCall(**{key: value for key, value in row.items() if key != "id"}) for row in rows]

    def prune(self, before: datetime) -> int:
        """Deletes what ended before a moment, in small transactions; how many it was."""
        oldest = select(inference_log.c.id).where(inference_log.c.created_at < before).limit(PRUNED_AT_ONCE)
        count = 0
        while True:
            with self._database.write() as connection:
                gone = connection.execute(delete(inference_log).where(inference_log.c.id.in_(oldest))).rowcount
            count += gone
            if gone < PRUNED_AT_ONCE:
                return count
