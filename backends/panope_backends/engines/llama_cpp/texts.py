"""GGUF models that embed texts, or compare two, by llama.cpp: its server tokenises, pools and runs them in batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from itertools import groupby
from typing import Any, TypeVar

import numpy as np

from panope_backends.api import (
    ClassificationModel,
    ClassificationRequest,
    Classifications,
    EmbeddingModel,
    EmbeddingRequest,
    Embeddings,
)
from panope_backends.engines.llama_cpp.gguf_header import GgufHeader
from panope_backends.engines.llama_cpp.local_server import LocalServer, RefusedError
from panope_backends.errors import InternalError, InvalidInputError, PanopeError, PreconditionError

#: llama.cpp's numbers of ways of pooling, as `ARCHITECTURE.pooling_type` has them.
NO_POOLING, RANK = 0, 4
POOLINGS = {1: "mean", 2: "cls", 3: "last", RANK: "rank"}

#: Tokens that a reranker's text of two has beside those of both, at most: what stands before, between and behind.
_BETWEEN = 4

#: llama.cpp's numbers of norms: none, and Euclid's.
_AS_POOLED, _UNIT_LENGTH = -1, 2

T = TypeVar("T")


def pooling_of(header: GgufHeader, task: str) -> str:
    """How a file's own metadata say that a text becomes one vector, or a score.

    Args:
        header: of the file.
        task: `embed` or `rerank`.

    Raises:
        PreconditionError: they name none, or one that does not do the task.
    """
    key = f"{header.architecture}.pooling_type"
    number = header.number("pooling_type")
    found = POOLINGS.get(number, "")
    if not found:
        raise PreconditionError(
            f"the GGUF file names no pooling (`{key}`), so its tokens' vectors do not become one of a text",
            reason="no_pooling",
        )
    if (found == "rank") != (task == "rerank"):
        raise PreconditionError(
            f"the GGUF file's pooling (`{key}`) is `{found}`, which is not for the task `{task}`", reason="no_pooling"
        )
    return found


class _Texts:
    """What models of texts share: the server, the threads that wait for it, and the length of texts.

    Args:
        server: that has loaded the model.
        threads: requests that llama.cpp has at once.
        max_tokens: of one text, or of two with what is between them.
    """

    def __init__(self, server: LocalServer, threads: int, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._server = server
        self._threads = ThreadPoolExecutor(threads, "llama")

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Runs something on a thread; what goes wrong in llama.cpp is told as Panope's errors."""

        def run() -> T:
            try:
                return work()
            except PanopeError:
                raise
            except RefusedError as error:
                raise InternalError("llama.cpp refused the texts") from error
            except (HTTPException, OSError, ValueError, KeyError, TypeError, IndexError) as error:
                raise InternalError("the model failed to run") from error

        try:
            return self._threads.submit(run)
        except RuntimeError:
            raise PreconditionError("the model is closed", reason="model_closed") from None

    def call(self, path: str, body: dict[str, Any]) -> Any:
        """An answer of the server's."""
        return self._server.call(path, body)

    def ids_of(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text; what looks like a special token in it is text."""
        body = {"content": text, "add_special": special, "parse_special": False}
        return [int(token) for token in self.call("/tokenize", body)["tokens"]]

    def close(self) -> None:
        """Waits for what runs, and frees the model."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._server.close()


class GgufEmbeddingModel(EmbeddingModel):
    """A GGUF model that embeds: vectors as llama.cpp's own embeddings are, of length 1 unless asked otherwise.

    Args:
        server: that has loaded it.
        threads: as of `_Texts`.
        max_tokens: of one text.
        vocab_size: ids are below it; 0 when unknown.
        precision: that it computes in.
    """

    honoured = frozenset({"token_sequences", "truncation", "normalize"})

    def __init__(self, server: LocalServer, threads: int, max_tokens: int, vocab_size: int, precision: str) -> None:
        self.max_tokens = max_tokens
        self.precision = precision
        self._vocab_size = vocab_size
        self._texts = _Texts(server, threads, max_tokens)
        self._around = _special_tokens(self._texts)

    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        """Tokenises the texts and embeds them."""
        self.require_supported(request)
        for index, ids in enumerate(request.token_sequences):
            if not all(0 <= token < (self._vocab_size or math.inf) for token in ids):
                raise InvalidInputError.at(
                    f"token_sequences[{index}]", "{field}: token ids go from 0 to {most:,}", most=self._vocab_size - 1
                )
        return self._texts.start(lambda: self._embed(request))

    def close(self) -> None:
        """Frees the model."""
        self._texts.close()

    def _embed(self, request: EmbeddingRequest) -> Embeddings:
        rows = [self._texts.ids_of(text) for text in request.texts] or [list(ids) for ids in request.token_sequences]
        name = "texts" if request.texts else "token_sequences"
        truncated = tuple(index for index, ids in enumerate(rows) if len(ids) > self.max_tokens)
        rows = [self._fitted(ids, f"{name}[{index}]", request.truncation) for index, ids in enumerate(rows)]
        norm = _AS_POOLED if request.normalize is False else _UNIT_LENGTH
        found = self._texts.call("/embedding", {"content": rows, "embd_normalize": norm})
        by_index = {int(each["index"]): each["embedding"][0] for each in found}
        vectors = np.array([by_index[index] for index in range(len(rows))], np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise InternalError("the model gave values that are not finite")
        counts = tuple(map(len, rows))
        return Embeddings(vectors, sum(counts), counts, truncated)

    def _fitted(self, ids: list[int], field: str, truncation: str) -> list[int]:
        """A text's tokens within the model's limit; what stands around a text stays."""
        if not ids:
            raise InvalidInputError.at(field, "{field} has no tokens")
        if len(ids) <= self.max_tokens:
            return ids
        if truncation == "refuse":
            raise InvalidInputError.at(
                field,
                "{field} has {count:,} tokens; the model takes at most {limit:,}",
                count=len(ids),
                limit=self.max_tokens,
            )
        before, behind = self._around
        inner = ids[before : len(ids) - behind]
        room = self.max_tokens - before - behind
        kept = inner[:room] if truncation == "end" else inner[len(inner) - room :]
        return [*ids[:before], *kept, *ids[len(ids) - behind :]]


class GgufReranker(ClassificationModel):
    """A GGUF cross-encoder: the query is the first text, the document the second, and the score is the model's own.

    Args:
        server: that has loaded it.
        threads: as of `_Texts`.
        max_tokens: of both texts.
        precision: that it computes in.
    """

    labels = ("score",)
    needs_second_texts = True
    honoured = frozenset({"second_texts"})

    def __init__(self, server: LocalServer, threads: int, max_tokens: int, precision: str) -> None:
        self.max_tokens = max_tokens
        self.precision = precision
        self._texts = _Texts(server, threads, max_tokens)

    def classify(self, request: ClassificationRequest) -> Future[Classifications]:
        """Compares each two texts."""
        self.require_supported(request)
        return self._texts.start(lambda: self._classify(request))

    def close(self) -> None:
        """Frees the model."""
        self._texts.close()

    def _classify(self, request: ClassificationRequest) -> Classifications:
        scores: list[float] = []
        tokens = 0
        pairs = list(zip(request.texts, request.second_texts, strict=True))
        for query, group in groupby(pairs, key=lambda pair: pair[0]):
            documents = [document for _, document in group]
            self._require_fitting(query, documents, len(scores))
            found = self._texts.call("/rerank", {"query": query, "documents": documents})
            by_index = {int(each["index"]): float(each["relevance_score"]) for each in found["results"]}
            scores += [by_index[index] for index in range(len(documents))]
            tokens += int(found["usage"]["prompt_tokens"])
        values = np.array(scores, np.float32)[:, None]
        if not np.isfinite(values).all():
            raise InternalError("the model gave values that are not finite")
        return Classifications(values, tokens)

    def _require_fitting(self, query: str, documents: Sequence[str], first: int) -> None:
        asked = len(self._texts.ids_of(query, special=False))
        for index, document in enumerate(documents, first):
            count = asked + len(self._texts.ids_of(document, special=False)) + _BETWEEN
            if count > self.max_tokens:
                raise InvalidInputError.at(
                    f"texts[{index}]",
                    "{field} has {count:,} tokens with its second text; the model takes at most {limit:,}",
                    count=count,
                    limit=self.max_tokens,
                )


def _special_tokens(texts: _Texts) -> tuple[int, int]:
    """How many tokens stand before every text, and behind it."""
    plain, framed = texts.ids_of("a", special=False), texts.ids_of("a")
    before = next((at for at in range(len(framed)) if framed[at : at + len(plain)] == plain), 0)
    return before, len(framed) - before - len(plain)
