"""What every request to the admin port passes first, and every answer last."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panope_server.observability.request_id import request_id_from
from panope_server.transport.http.json import error_json, json_response


class Guard:
    """Knows hosts, gives ids, and takes a path with a slash at its end as one without.

    A name that is not the server's is refused, so that no web page reaches it by rebinding its own name.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], mounts: Sequence[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._mounts = frozenset(mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_from(_header(scope, b"x-request-id"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        if self._hosts and _host_of(scope) not in self._hosts:
            message = "the Host header does not name this server"
            response = json_response(error_json(message, "permission_error", "host_not_allowed"), 403)
            await response(scope, receive, send_with_id)
            return
        await self._app({**scope, "path": self._plain(scope["path"])}, receive, send_with_id)

    def _plain(self, path: str) -> str:
        """The path without a slash at its end; what is mounted begins with one."""
        bare = path.rstrip("/") or "/"
        return f"{bare}/" if bare in self._mounts else bare


def _header(scope: Scope, name: bytes) -> str:
    return next((value for key, value in scope["headers"] if key == name), b"").decode("latin-1")


def _host_of(scope: Scope) -> str:
    given = _header(scope, b"host").lower()
    name, _, port = given.rpartition(":")
    return name if port.isdecimal() and name else given
