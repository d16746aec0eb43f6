"""llama.cpp's own server inside this process, on a socket that nobody else can reach.

The package's server always listens somewhere. By default that is a port on the loopback interface without a key, for
every program of the machine; here it is a Unix socket in a folder of this user alone, with a key that lives as long as
the process.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from panope_backends.errors import InternalError, PreconditionError

_EVENT = b"data: "

_PREFIX, _SOCKET = "panope-llama-", "server.sock"

#: A server listens long before its socket is so old, and answers at once.
_LEAST_AGE_SECONDS = 60.0
_ANSWER_SECONDS = 0.2


class LocalServer:
    """A running server.

    Args:
        parameters: of the `xllamacpp` package, complete but for where to listen.

    Raises:
        PreconditionError: llama.cpp refuses the model.
    """

    def __init__(self, parameters: Any) -> None:
        import xllamacpp

        remove_abandoned()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)  # only this user may enter it
        self._path = str(Path(self._folder.name) / _SOCKET)
        self._key = secrets.token_urlsafe(32)
        parameters.hostnames = [self._path]
        parameters.api_keys = [self._key]
        parameters.ui = False
        parameters.endpoint_slots = True
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            self._folder.cleanup()
            raise PreconditionError("llama.cpp refuses the model", reason="load_failed") from error
        # It says that it is ready before its loop runs, and an end that comes between is forgotten: closing would wait
        # for ever. The loop gives this answer.
        self.call("/slots")

    def call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a request: a POST where it has a body.

        Raises:
            RefusedError: the server answers with an error.
            OSError: the server is closed.
        """
        exchange = self.exchange(path, body)
        try:
            return json.loads(exchange.response().read())
        finally:
            exchange.close()

    def exchange(self, path: str, body: Mapping[str, Any] | None = None) -> Exchange:
        """A request that is sent, and its answer to come."""
        connection = _UnixConnection(self._path)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
        connection.request(method, path, data, headers)
        return Exchange(connection)

    def close(self) -> None:
        """Ends the server and frees its memory; what runs is dropped."""
        self._server = None
        self._folder.cleanup()


def remove_abandoned() -> None:
    """Removes the folders of servers that were killed: nobody listens there."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_SOCKET}"):
        with suppress(OSError):  # another user's, or one whose server ends now, or is busy
            if time.time() - path.stat().st_mtime < _LEAST_AGE_SECONDS:
                continue
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(_ANSWER_SECONDS)
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    shutil.rmtree(path.parent)


class Exchange:
    """A request and its answer, read by one thread and ended by any."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._socket: socket.socket = connection.sock

    def response(self) -> HTTPResponse:
        """Waits for the beginning of the answer.

        Raises:
            RefusedError: it is an error.
        """
        response = self._connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise RefusedError.of(response.read())
        return response

    def events(self) -> Iterator[dict[str, Any]]:
        """Gives each event of the answer, a JSON object, when it comes.

        Raises:
            RefusedError: the answer is an error, or ends with one.
            OSError, http.client.HTTPException: it was ended.
        """
        for line in self.response():
            if line.startswith(_EVENT):
                data = line.removeprefix(_EVENT)
                event = json.loads(data)
                if "error" in event:
                    raise RefusedError.of(data)
                yield event

    def abort(self) -> None:
        """Ends it: the reader sees an error or the end, and the server that nobody listens."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Frees the connection; called by the reader."""
        self._connection.close()


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("llama.cpp")
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class RefusedError(Exception):
    """The server's error, as it names it.

    Attributes:
        kind: such as `exceed_context_size_error`.
        status: as in HTTP.
    """

    def __init__(self, kind: str, status: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status

    @classmethod
    def of(cls, content: bytes) -> RefusedError:
        """The error that an answer holds.

        Raises:
            InternalError: it holds none.
        """
        try:
            error = json.loads(content)["error"]
            return cls(str(error.get("type", "")), int(error.get("code", 0)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InternalError("llama.cpp gave an answer that is none") from None
