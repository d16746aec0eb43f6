"""A server that answers with whatever bytes a test gives it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Reply = bytes | Callable[[socket.socket], None]


@dataclass
class Asked:
    """A request as it came."""

    head: str
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split()[1]


@dataclass
class Script:
    """The server. Each request takes the next reply of its path; the last one is for all that follow.

    Attributes:
        replies: by path.
        asked: the requests, in their order.
        hung_up: set when a caller has closed a connection on which a reply was being sent.
    """

    port: int = 0
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def reply(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def of(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, suppress(OSError):
            while head := _head(file):
                asked = Asked(head, file.read(int(_header(head, "content-length") or 0)))
                self.asked.append(asked)
                replies = self.replies.get(asked.path, [http(404)])
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                if callable(reply):
                    reply(connection)
                    return
                connection.sendall(reply)

    def endless(self, head: bytes, piece: bytes) -> Reply:
        """Sends the head, then the piece again and again until the caller hangs up."""

        def send(connection: socket.socket) -> None:
            try:
                connection.sendall(head)
                while True:
                    connection.sendall(piece)
            except OSError:
                self.hung_up.set()
                raise

        return send

    def silent(self, head: bytes = b"") -> Reply:
        """Sends the head, and then nothing until the caller hangs up."""

        def send(connection: socket.socket) -> None:
            connection.sendall(head)
            while connection.recv(4096):
                pass
            self.hung_up.set()

        return send


def _head(file: Any) -> str:
    lines = []
    while (line := file.readline()) not in (b"", b"\r\n"):
        lines.append(line.decode())
    return "".join(lines)


def _header(head: str, name: str) -> str:
    lines = (line.partition(":") for line in head.splitlines())
    return next((value.strip() for found, _, value in lines if found.lower() == name), "")


def http(status: int, body: bytes = b"{}", *headers: str, kind: str = "application/json") -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status} x", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
