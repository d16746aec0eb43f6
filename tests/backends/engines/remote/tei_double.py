"""A server that speaks Text Embeddings Inference's protocol and counts the bytes of texts: one model, as TEI has."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

LABELS = ("none", "one", "two", "three")


def values_of(*texts: str) -> list[float]:
    """How often each of four kinds of bytes is in texts."""
    return [float(sum(byte % 4 == kind for text in texts for byte in text.encode())) for kind in range(len(LABELS))]


def score_of(query: str, text: str) -> float:
    """Another for each text."""
    return float(sum(place * byte for place, byte in enumerate((query + text).encode(), 1)) % 9973) / 9973


class TeiDouble:
    """The server; a context manager.

    Args:
        kind: of its model, `classifier` or `reranker`.

    Attributes:
        url: of the server.
    """

    def __init__(self, kind: str) -> None:
        names = LABELS if kind == "classifier" else ("LABEL_0",)
        id2label = {str(index): name for index, name in enumerate(names)}

        told = {"model_type": {kind: {"id2label": id2label}}, "max_input_length": 64, "max_client_batch_size": 3}

        class Handler(_Handler):
            info = told

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    info: dict[str, Any]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Says nothing."""

    def do_GET(self) -> None:
        """What the model is."""
        self._send(self.info)

    def do_POST(self) -> None:
        """Values, the highest first."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert body["raw_scores"] is True
        if self.path == "/predict":
            rows = [zip(LABELS, values_of(*texts), strict=True) for texts in body["inputs"]]
            self._send([_descending([{"label": label, "score": score} for label, score in row]) for row in rows])
        else:
            scores = [score_of(body["query"], text) for text in body["texts"]]
            self._send(_descending([{"index": index, "score": score} for index, score in enumerate(scores)]))

    def _send(self, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _descending(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(told, key=lambda each: -each["score"])
