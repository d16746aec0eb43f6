"""The rows of routes: the targets of alias events that point to several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, insert, or_, select

from panope_registry.models.routes import Route, RoutePolicy, RouteTarget
from panope_registry.tables.alias_tables import alias_event, alias_target


def routes_of(connection: Connection, events: Iterable[Row[Any]]) -> Mapping[int, Route]:
    """The routes of events by their ids; events that point to one target have none."""
    policies = {event.id: RoutePolicy.of(event.policy) for event in events if event.policy is not None}
    if not policies:
        return {}
    wanted = select(alias_target).where(alias_target.c.event_id.in_(policies))
    targets: dict[int, list[RouteTarget]] = defaultdict(list)
    for row in connection.execute(wanted.order_by(alias_target.c.event_id, alias_target.c.position)):
        targets[row.event_id].append(RouteTarget(row.model, row.variant_digest, row.weight, row.price))
    return {event_id: Route(tuple(targets[event_id]), policy) for event_id, policy in policies.items()}


def record_route(connection: Connection, event_id: int, route: Route) -> None:
    """Writes the targets of an event."""
    rows = [
        {
            "event_id": event_id,
            "position": position,
            "model": target.model,
            "variant_digest": target.variant_digest,
            "weight": target.weight,
            "price": target.price,
        }
        for position, target in enumerate(route.targets)
    ]
    connection.execute(insert(alias_target), rows)


def points_to(model: str) -> ColumnElement[bool]:
    """Whether an event points to a model, by itself or among others."""
    among = exists().where(alias_target.c.event_id == alias_event.c.id, alias_target.c.model == model)
    return or_(alias_event.c.target_model == model, among)
