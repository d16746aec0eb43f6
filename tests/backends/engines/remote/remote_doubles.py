"""Models that run on a server which answers with whatever bytes a test gives it."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from panope_backends.api import GenerationRequest, LoadedModel, LoadOptions, ModelFacts, TokenDelta, TokenModel
from panope_backends.engines.remote.backend import RemoteBackend
from panope_backends.upstreams.access import UpstreamAccess
from scripted_server import Reply

ACCESS = UpstreamAccess(
    allowed_hosts=("127.0.0.1", "localhost"), read_timeout_seconds=10, total_timeout_seconds=20, max_attempts=3
)

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def events(*data: bytes) -> Reply:
    """A stream of events that ends with the connection."""

    def send(connection: socket.socket) -> None:
        connection.sendall(STREAM + b"".join(b"data: " + each + b"\n\n" for each in data))

    return send


def run(model: TokenModel, request: GenerationRequest | None = None, **changes: Any) -> list[TokenDelta]:
    """The deltas of a request to their end."""
    asked = replace(request or GenerationRequest(1, prompt="p", max_tokens=9), **changes)
    model.submit(asked)
    found: list[TokenDelta] = []
    while not (found and found[-1].usage is not None):
        deltas = model.deltas(20.0)
        assert deltas, "no delta in 20 seconds"
        found += deltas
    return found


class Allowed(RemoteBackend):
    """With settings that the conformance suites do not know of."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        access = UpstreamAccess(allowed_hosts=("127.0.0.1",), max_requests=8)
        return super().load(model, folder, device, replace(options, backend_settings=access.to_bytes()))
