"""Calls that make, tell and end API keys."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.duration_pb2 import Duration

from panope.v1 import key_service_pb2 as key_pb
from panope.v1.key_service_pb2 import CreateKeyResponse, Key, RotateKeyResponse
from panope_client.aio.connection import AsyncConnection
from panope_client.arguments import check_seconds, request_of, timestamp_of


class AsyncKeyCalls(AsyncConnection):
    """The calls of `AsyncClient` on API keys; they reach the server's gRPC port alone, not Envoy's."""

    async def keys(self, *, include_ended: bool = False, timeout: float | None = None) -> list[Key]:
        """Returns the keys that may do no more than the caller's, by name.

        Args:
            include_ended: also those that were revoked or have expired.
            timeout: seconds, as for every call.
        """
        request = request_of(key_pb.ListKeysRequest, include_ended=include_ended, page_size=1000)
        keys: list[Key] = []
        while True:
            page = await self._call(self._keys.ListKeys, request, timeout)
            keys += page.keys
            if not page.next_page_token:
                return keys
            request.page_token = page.next_page_token

    async def key(self, key: str, *, timeout: float | None = None) -> Key:
        """Returns one key, by its id or name.

        Raises:
            NotFoundError: there is none, or it may do more than the caller's.
        """
        return (await self._call(self._keys.GetKey, request_of(key_pb.GetKeyRequest, key=key), timeout)).key

    async def create_key(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        models: Sequence[str] = (),
        request_limits: Sequence[str] = (),
        token_limits: Sequence[str] = (),
        max_priority: str = "",
        expires_at: datetime | None = None,
        timeout: float | None = None,
    ) -> CreateKeyResponse:
        """Makes a key; the result's `api_key` is told this once.

        Args:
            name: for people; of no other key.
            scopes: what it may do, such as `embed:*`.
            models: the models and aliases that it sees, such as `acme/*`; all without any.
            request_limits: how many requests it may make, such as `100/s`.
            token_limits: how many tokens it may use, such as `1M/day`.
            max_priority: `low`, `normal` or `high`; the caller's own without one.
            expires_at: when it ends; None for never. A moment without a zone is refused.
            timeout: seconds, as for every call.

        Raises:
            AlreadyExistsError: another key has the name.
            PermissionDeniedError: it could do more than the caller's.
        """
        request = request_of(
            key_pb.CreateKeyRequest,
            name=name,
            scopes=scopes,
            models=models,
            request_limits=request_limits,
            token_limits=token_limits,
            max_priority=max_priority,
            expire_time=timestamp_of(expires_at, "expires_at"),
        )
        return await self._call(self._keys.CreateKey, request, timeout)

    async def rotate_key(
        self, key: str, *, grace_seconds: float = 86_400, timeout: float | None = None
    ) -> RotateKeyResponse:
        """Gives a key a new secret; the result's `api_key` is told this once.

        Args:
            key: its id or name.
            grace_seconds: how long the secret before stays good, 0 or more.
            timeout: seconds, as for every call.

        Raises:
            NotFoundError: there is none, or it may do more than the caller's.
            PreconditionError: it was revoked or has expired.
        """
        check_seconds("grace_seconds", grace_seconds)
        grace = Duration(seconds=int(grace_seconds), nanos=int(grace_seconds % 1 * 1e9))
        request = request_of(key_pb.RotateKeyRequest, key=key, grace=grace)
        return await self._call(self._keys.RotateKey, request, timeout)

    async def revoke_key(self, key: str, *, timeout: float | None = None) -> Key:
        """Takes a key back for good, by its id or name; every server of its database refuses it within two seconds.

        Raises:
            NotFoundError: there is none, or it may do more than the caller's.
        """
        return (await self._call(self._keys.RevokeKey, request_of(key_pb.RevokeKeyRequest, key=key), timeout)).key
