"""What every request to the admin port passes first, and every answer last: for HTTP what interceptors are for gRPC."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panope_backends.errors import PanopeError
from panope_envoy.options import TOKEN_KEYS_PATH
from panope_registry.access.scopes import READ, WRITE
from panope_server.access.authentication import Authenticator
from panope_server.access.caller import Caller, set_caller
from panope_server.access.principal import set_principal
from panope_server.observability.request_id import request_id_from
from panope_server.transport.error_json import error_json
from panope_server.transport.http.admin_connections import CERTIFICATE_NAMES
from panope_server.transport.http.hub.errors import hub_error_response
from panope_server.transport.http.json import error_response, json_response
from panope_server.transport.interceptors.auth import OnDenied, admitted
from panope_server.transport.permissions import JOBS_READ, KNOWN, PUBLIC, Permission

#: By the path without a slash at its end, the first that matches; what none matches asks for a good key at least.
_METRICS = re.compile(r"(/v1)?/metrics")
#: What is read by GET and changed by the other methods.
_MANAGED = re.compile("/v1/(keys|cache)(/.*)?")
_PERMISSIONS: tuple[tuple[re.Pattern[str], Permission], ...] = (
    (re.compile(f"/health|/ready|/openapi.json|{TOKEN_KEYS_PATH}"), PUBLIC),
    (_METRICS, Permission("metrics", READ)),
    (re.compile("/status"), Permission("status", READ)),
    (re.compile("(?s)/v1/(jobs|videos)/.*"), JOBS_READ),
    (re.compile("(?s)/v1/files/.*|/v1/model/.*|/hub(/.*)?"), Permission("files", READ)),
)


class Guard:
    """Knows hosts and callers, gives ids, and takes a path with a slash at its end as one without.

    A name that is not the server's is refused, so that no web page reaches it by rebinding its own name.

    Args:
        app: what requests reach.
        authenticator: knows callers.
        hosts: names that a Host header may have; empty for every name.
        mounts: paths that begin with one of the app's own.
        public_metrics: whether metrics are told to everybody.
        on_denied: told of callers that are known and may not.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        hosts: Sequence[str],
        mounts: Sequence[str] = (),
        *,
        public_metrics: bool = False,
        on_denied: OnDenied = lambda _principal, _permission: None,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._hosts = frozenset(hosts)
        self._mounts = frozenset(mounts)
        self._public_metrics = public_metrics
        self._on_denied = on_denied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        request_id = request_id_from(headers.get("x-request-id"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        if self._hosts and _host_of(headers.get("host", "")) not in self._hosts:
            message = "the Host header does not name this server"
            response = json_response(error_json(message, "permission_error", "host_not_allowed"), 403)
            await response(scope, receive, send_with_id)
            return
        path = self._plain(scope["path"])
        client = scope["client"]  # none by the Unix socket, which only our own Envoy reaches
        shown = scope.get("extensions", {}).get(CERTIFICATE_NAMES, tuple)
        caller = Caller(headers, client[0] if client else "", is_edge=client is None, shown=shown)
        set_caller(caller)
        try:
            permission = self._permission(path.rstrip("/"), scope["method"])
            set_principal(await admitted(self._authenticator, caller, permission, self._on_denied))
        except PanopeError as error:
            refuse = hub_error_response if path.startswith("/hub") else error_response
            await refuse(error)(scope, receive, send_with_id)
            return
        await self._app({**scope, "path": path}, receive, send_with_id)

    def _permission(self, path: str, verb: str) -> Permission:
        if managed := _MANAGED.fullmatch(path):
            return Permission(managed[1], READ if verb in ("GET", "HEAD") else WRITE)
        if self._public_metrics and _METRICS.fullmatch(path):
            return PUBLIC
        return next((permission for pattern, permission in _PERMISSIONS if pattern.fullmatch(path)), KNOWN)

    def _plain(self, path: str) -> str:
        """The path without a slash at its end; what is mounted begins with one."""
        bare = path.rstrip("/") or "/"
        return f"{bare}/" if bare in self._mounts else bare


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by their names in lower case; of a repeated one the last value counts."""
    return {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}


def _host_of(host: str) -> str:
    """The name in a Host header, without a port."""
    name, _, port = host.lower().rpartition(":")
    return name if port.isdecimal() and name else host.lower()
