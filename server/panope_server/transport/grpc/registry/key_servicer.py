"""KeyService: translates and delegates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from panope.v1 import key_service_pb2 as pb
from panope.v1 import key_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_registry.access.key_types import KeyEntry
from panope_registry.access.keys import GRACE
from panope_registry.access.limits import Counted
from panope_registry.tables.columns import now
from panope_server.transport.grpc.registry.model_messages import timestamp
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Keys
from panope_server.transport.key_fields import key_spec, limit_texts
from panope_server.transport.paging import after_of, page_of, page_size_of
from panope_server.transport.services import Services

_STATES = {"active": pb.Key.STATE_ACTIVE, "revoked": pb.Key.STATE_REVOKED, "expired": pb.Key.STATE_EXPIRED}


class KeyServicer(pb_grpc.KeyServiceServicer):
    """Serves panope.v1.KeyService."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_KeyServiceServicer_to_server(cls(services.keys), server)

    async def ListKeys(self, request: pb.ListKeysRequest, context: Context) -> pb.ListKeysResponse:
        """Lists keys."""
        size = page_size_of(request.page_size)
        after = after_of(request.page_token)
        found = await self._keys.list(include_ended=request.include_ended, after=after, limit=size + 1)
        page, token = page_of(found, size, lambda entry: entry.name)
        return pb.ListKeysResponse(keys=[_key(entry) for entry in page], next_page_token=token)

    async def GetKey(self, request: pb.GetKeyRequest, context: Context) -> pb.GetKeyResponse:
        """Tells about one key."""
        return pb.GetKeyResponse(key=_key(await self._keys.get(_named(request.key))))

    async def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.CreateKeyResponse:
        """Makes a key."""
        spec = key_spec(
            request.name,
            request.scopes,
            request.models,
            request.request_limits,
            request.token_limits,
            request.max_priority,
            _moment(request.expire_time) if request.HasField("expire_time") else None,
        )
        issued = await self._keys.create(spec)
        return pb.CreateKeyResponse(key=_key(issued.entry), api_key=str(issued.key))

    async def RotateKey(self, request: pb.RotateKeyRequest, context: Context) -> pb.RotateKeyResponse:
        """Gives a key a new secret."""
        grace = _grace(request) if request.HasField("grace") else GRACE
        issued = await self._keys.rotate(_named(request.key), grace)
        return pb.RotateKeyResponse(key=_key(issued.entry), api_key=str(issued.key))

    async def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        """Takes a key back."""
        return pb.RevokeKeyResponse(key=_key(await self._keys.revoke(_named(request.key))))


def _named(key: str) -> str:
    if not key:
        raise InvalidInputError("`key` is empty", field="key")
    return key


def _moment(given: Timestamp) -> datetime:
    try:
        moment = given.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError("`expire_time` is no moment", field="expire_time") from None
    if moment <= now():
        raise InvalidInputError("`expire_time` is not in the future", field="expire_time")
    return moment


def _grace(request: pb.RotateKeyRequest) -> timedelta:
    """Whether it is too long or less than none is the registry's to say."""
    try:
        return request.grace.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidInputError("`grace` is no duration", field="grace") from None


def _key(entry: KeyEntry) -> pb.Key:
    return pb.Key(
        id=entry.id,
        name=entry.name,
        state=_STATES[entry.state(now())],
        scopes=entry.scopes.texts,
        models=entry.models.texts,
        request_limits=limit_texts(entry, Counted.REQUESTS),
        token_limits=limit_texts(entry, Counted.TOKENS),
        max_priority=entry.max_priority.word,
        secret_count=entry.secret_count,
        created_by=entry.created_by,
        create_time=timestamp(entry.created_at),
        expire_time=_stamp(entry.expires_at),
        revoke_time=_stamp(entry.revoked_at),
        last_use_time=_stamp(entry.last_used_at),
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
