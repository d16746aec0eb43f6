"""What servers that generate tell of their model before it is used."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from panope_backends.engines.remote.connection import Connection
from panope_backends.engines.remote.decoding import decoded
from panope_backends.engines.remote.generation.dialect import Dialect
from panope_backends.engines.remote.generation.openai import OpenAiDialect
from panope_backends.engines.remote.generation.tgi import TgiDialect
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.upstreams.description import Upstream

_MOST_POSITIONS = (1 << 31) - 1


@dataclass(frozen=True)
class Server:
    """What a server tells.

    Attributes:
        max_positions: tokens of prompt and answer together; 0 when it does not say.
        max_requests: that it works on at once; 0 when it does not say.
    """

    max_positions: int = 0
    max_requests: int = 0


class _Model(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _Info(msgspec.Struct):
    max_total_tokens: int | None = None
    max_concurrent_requests: int | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


def dialect_of(upstream: Upstream) -> Dialect:
    """The dialect of a server that generates."""
    return TgiDialect() if upstream.protocol == "tgi" else OpenAiDialect(upstream.model, upstream.protocol)


async def look_at(upstream: Upstream, connection: Connection) -> Server:
    """Asks a server for its models: whether it is there, takes the key and has this one.

    Raises:
        PreconditionError: the server does not have the model, or refuses the key.
        AvailabilityError: it does not answer.
    """
    if upstream.protocol != "tgi":
        return await find_listed(upstream.model, connection)
    info = decoded(await connection.read("GET", "/info"), _Info)
    return Server(_positions(info.max_total_tokens), max(0, info.max_concurrent_requests or 0))


async def find_listed(name: str, connection: Connection) -> Server:
    """What a server that speaks as OpenAI's tells of a model; some have no list: then the first request tells.

    Raises:
        PreconditionError: the list does not have it.
        AvailabilityError: the server does not answer.
    """
    try:
        listed = await connection.read("GET", "/models")
    except PanopeError as error:
        if error.reason == "upstream_not_found":
            return Server()
        raise
    models = {model.id: model for model in decoded(listed, _Models).data}
    if (found := models.get(name)) is None:
        raise PreconditionError(
            "the server that runs the model does not list it: the name there is another, or the key is not for it",
            reason="upstream_not_found",
        )
    return Server(_positions(found.max_model_len))


def _positions(told: int | None) -> int:
    return told if told is not None and 0 < told <= _MOST_POSITIONS else 0
