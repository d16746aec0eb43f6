"""What a key is to be, out of the words that callers send: for gRPC and for REST."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from panope_registry.access.key_types import KeySpec
from panope_registry.access.limits import Counted, Limit
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import ANY, ModelPatterns, Scopes
from panope_server.access.principal import current_principal
from panope_server.tasks.catalog import check_scopes


def key_spec(
    name: str,
    scopes: Sequence[str],
    models: Sequence[str],
    request_limits: Sequence[str],
    token_limits: Sequence[str],
    max_priority: str,
    expires_at: datetime | None,
) -> KeySpec:
    """A key as it was asked for; InvalidInputError, which names the field, for what is none."""
    check_scopes(scopes)
    return KeySpec(
        name=name,
        scopes=Scopes.parse(scopes),
        models=ModelPatterns.parse(models or [ANY]),
        max_priority=Priority.parse(max_priority, "max_priority") if max_priority else current_principal().max_priority,
        limits=(
            *(Limit.parse(text, Counted.REQUESTS, "request_limits") for text in request_limits),
            *(Limit.parse(text, Counted.TOKENS, "token_limits") for text in token_limits),
        ),
        expires_at=expires_at,
    )


def limit_texts(spec: KeySpec, counted: Counted) -> list[str]:
    """The limits of one kind as people write them, such as `100/second`."""
    return [str(limit) for limit in spec.limits if limit.counted is counted]
