"""The limits that all callers of a model share."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.access.changes import access_token, changing
from panope_registry.access.key_types import limits_of, limits_text
from panope_registry.access.keys import check_limits
from panope_registry.access.limits import Limit
from panope_registry.names import parse_model_name, shown
from panope_registry.tables.access_tables import model_limit
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database

MAX_MODELS = 10_000


class ModelLimits:
    """Safe for use by several threads, processes and machines; AvailabilityError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, model: str, limits: Sequence[Limit]) -> None:
        """Gives a model its limits, in place of those that it had; the model need not be there yet.

        Raises:
            InvalidInputError: the name is none, there is no limit, or two are of one kind and period.
        """
        parse_model_name(model, "model")
        if not limits:
            raise InvalidInputError.at("limits", "{field} is empty")
        check_limits(limits)
        row = {"model": model, "limits": limits_text(limits), "created_at": now()}
        with changing(self._database) as connection:
            connection.execute(delete(model_limit).where(model_limit.c.model == model))
            connection.execute(insert(model_limit).values(row))

    def remove(self, model: str) -> None:
        """Takes a model's limits away; NotFoundError when it has none."""
        with changing(self._database) as connection:
            if not connection.execute(delete(model_limit).where(model_limit.c.model == model)).rowcount:
                raise NotFoundError(f"model `{shown(model)}` has no limits", reason="limit_not_found", field="model")

    def list(self) -> builtins.list[tuple[str, tuple[Limit, ...]]]:
        """Returns models that have limits, by name, with them."""
        return self.read()[1]

    def change_token(self) -> int:
        """Returns a number that every change of limits and of keys raises."""
        with self._database.read() as connection:
            return access_token(connection)

    def read(self) -> tuple[int, builtins.list[tuple[str, tuple[Limit, ...]]]]:
        """Returns the same, and the change token of that moment."""
        wanted = select(model_limit).order_by(model_limit.c.model).limit(MAX_MODELS)
        with self._database.read() as connection:
            token = access_token(connection)
            return token, [(row.model, limits_of(row.limits)) for row in connection.execute(wanted)]
