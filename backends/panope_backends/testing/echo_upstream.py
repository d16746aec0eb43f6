"""A server that speaks OpenAI's protocol, with vLLM's fields, and repeats its prompts: an upstream for tests.

It runs an `EchoTokenModel` behind HTTP on this machine, so what crosses the network is what a real server would send,
and the answer is known. A chat is answered with its last message.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from panope_backends.api import FinishReason, GenerationRequest, SamplingParams, TokenDelta, TokenLogprobs
from panope_backends.errors import PanopeError
from panope_backends.testing.echo_token_model import EchoTokenModel

MODEL = "echo"
POSITIONS = 4096


class EchoUpstream:
    """The server; a context manager.

    Args:
        key: that callers must send; empty for none.
        port: to listen on; 0 for a free one.

    Attributes:
        url: of its API.
        bodies: of the requests to generate, in their order.
    """

    def __init__(self, key: str = "", port: int = 0) -> None:
        self.key = key
        self.bodies: list[dict[str, Any]] = []
        self._model = EchoTokenModel({"slots": 256, "max_positions": POSITIONS})
        self._queues: dict[int, SimpleQueue[TokenDelta]] = defaultdict(SimpleQueue)
        self._ids = iter(range(1, 1 << 30))
        upstream = self

        class Handler(_Handler):
            server_of = upstream

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._is_closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        threading.Thread(target=self._steps, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_closed.set()
        self._model.close()
        self._server.shutdown()
        self._server.server_close()

    @property
    def running(self) -> int:
        """Requests that have not ended."""
        return len(self._model._answers)  # noqa: SLF001 - its own double

    def generate(self, body: Mapping[str, Any]) -> Generator[TokenDelta]:
        """The deltas of an answer; leaving early ends it."""
        request = _request_of(next(self._ids), body)
        deltas = self._queues[request.id]
        self._model.submit(request)
        try:
            while True:
                delta = deltas.get()
                yield delta
                if delta.usage is not None:
                    return
        finally:
            self._model.cancel(request.id)

    def _steps(self) -> None:
        while not self._is_closed.is_set():
            for delta in self._model.deltas(0.1):
                self._queues[delta.request_id].put(delta)


class _Server(ThreadingHTTPServer):
    """Its end is the end of its connections."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: EchoUpstream

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Says nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        if self._is_refused():
            return
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL, "max_model_len": POSITIONS}]})
        else:
            self._send(404, {"error": {"message": "nothing"}})

    def do_POST(self) -> None:
        """Completions and chats."""
        length = int(self.headers["content-length"])
        data = self.rfile.read(length)
        if len(data) < length:  # the caller has gone
            self.close_connection = True
            return
        body = json.loads(data)
        if self._is_refused():
            return
        self.server_of.bodies.append(body)
        if body["model"] != MODEL:
            self._send(404, {"error": {"message": "no such model", "param": "model"}})
            return
        if self.path.endswith("/embeddings"):
            self._send(200, _embedded(body["input"]))
            return
        try:
            self._stream(body, is_chat=self.path.endswith("/chat/completions"))
        except PanopeError as error:
            self._send(400, {"error": {"message": error.message, "param": error.field}})
        except OSError:  # the caller has gone
            self.close_connection = True

    def _is_refused(self) -> bool:
        key = self.server_of.key
        if key and self.headers.get("authorization") != f"Bearer {key}":
            self._send(401, {"error": {"message": "the key is wrong"}})
            return True
        return False

    def _stream(self, body: Mapping[str, Any], *, is_chat: bool) -> None:
        deltas = self.server_of.generate(body)
        try:
            first = next(deltas)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            delta: TokenDelta | None = first
            while delta is not None:
                self._event({"choices": [_choice(delta, is_chat=is_chat)], "usage": None})
                if delta.usage is not None:
                    usage = {
                        "prompt_tokens": delta.usage.prompt_tokens,
                        "completion_tokens": delta.usage.completion_tokens,
                    }
                    self._event({"choices": [], "usage": usage})
                delta = next(deltas, None)
        finally:
            deltas.close()
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, event: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send(self, status: int, document: Mapping[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _embedded(inputs: Sequence[str | Sequence[int]]) -> dict[str, Any]:
    """How often each of eight kinds of bytes, or of token ids, is in an input, which tells the tests' inputs apart."""
    sequences = [list(each.encode()) if isinstance(each, str) else each for each in inputs]
    data = [
        {"index": index, "embedding": [float(sum(number % 8 == kind for number in sequence)) for kind in range(8)]}
        for index, sequence in enumerate(sequences)
    ]
    return {"data": data, "usage": {"prompt_tokens": sum(map(len, sequences))}}


def _request_of(number: int, body: Mapping[str, Any]) -> GenerationRequest:
    is_chat = "messages" in body
    prompt = body["messages"][-1]["content"] if is_chat else body["prompt"]
    texts: dict[str, Any] = {"prompt": prompt} if isinstance(prompt, str) else {"prompt_token_ids": tuple(prompt)}
    stop = body.get("stop") or ()
    logprobs = body.get("logprobs")
    return GenerationRequest(
        number,
        **texts,
        sampling=SamplingParams(temperature=body.get("temperature", 1.0), seed=body.get("seed")),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        n=body.get("n", 1),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stop_token_ids=tuple(body.get("stop_token_ids", ())),
        include_stop=body.get("include_stop_str_in_output", False),
        ignore_eos=body.get("ignore_eos", False),
        logprobs=body.get("top_logprobs", 0) if is_chat and logprobs else logprobs or None if is_chat else logprobs,
    )


def _choice(delta: TokenDelta, *, is_chat: bool) -> dict[str, Any]:
    ends = {None: None, FinishReason.STOP: "stop", FinishReason.LENGTH: "length"}
    said = {"delta": {"content": delta.text}} if is_chat else {"text": delta.text}
    told = (_chat_logprobs if is_chat else _logprobs)(delta.logprobs) if delta.logprobs else None
    end = ends.get(delta.finish_reason, "abort")
    return {"index": delta.index, **said, "logprobs": told, "finish_reason": end, "stop_reason": delta.stop_reason}


def _logprobs(told: Sequence[TokenLogprobs]) -> dict[str, Any]:
    return {
        "tokens": [_text(each.chosen.text) for each in told],
        "token_logprobs": [each.chosen.logprob for each in told],
        "top_logprobs": [{_text(top.text): top.logprob for top in each.top} for each in told],
    }


def _chat_logprobs(told: Sequence[TokenLogprobs]) -> dict[str, Any]:
    def entry(logprob: Any) -> dict[str, Any]:
        return {"token": _text(logprob.text), "logprob": logprob.logprob, "bytes": list(logprob.text)}

    return {"content": [entry(each.chosen) | {"top_logprobs": list(map(entry, each.top))} for each in told]}


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
