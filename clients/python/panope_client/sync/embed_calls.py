# Generated from panope_client/aio/embed_calls.py by clients/python/generate.py; do not edit.
"""Calls that embed texts, and that split and join them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, Unpack, overload

from panope_client.arguments import Priority, check_count
from panope_client.errors import PanopeClientError
from panope_client.messages.embed import (
    Batch,
    EmbedOptions,
    batches_of,
    embed_request,
    embeddings_of,
    joined_embeddings,
)
from panope_client.messages.stream import check_stream_end, embed_source, stream_result
from panope_client.messages.token import detokenize_request, tokenize_request, tokens_of
from panope_client.results import Embeddings, Tokens
from panope_client.sync.concurrency import Batches, RpcError, Stream, failure_of, map_in_order
from panope_client.sync.connection import Connection


class EmbedCalls(Connection):
    """The calls of `Client` on texts and vectors."""

    def embed(
        self,
        texts: Batch,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """Embeds one batch.

        Args:
            texts: texts, or the token ids of texts; at least one, none empty, no more than the server's limit.
            model: `vendor/name`.
            priority: see the class.
            timeout: see the class.
            options: see `EmbedOptions`.
        """
        request = embed_request(texts, model, options)
        return embeddings_of(self._call(self._embed.Embed, request, timeout, priority))

    def embed_many(
        self,
        texts: Iterable[str],
        model: str,
        *,
        batch_size: int = 32,
        concurrency: int = 4,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """Embeds any number of texts, several batches at a time; the vectors are in the order of the texts.

        Args:
            texts: at least one.
            model: `vendor/name`.
            batch_size: texts in one call.
            concurrency: calls at a time.
            priority: see the class.
            timeout: for each call; see the class.
            options: see `EmbedOptions`.
        """
        check_count("batch_size", batch_size)
        check_count("concurrency", concurrency)

        def embed(batch: Batch) -> Embeddings:
            return self.embed(batch, model, priority=priority, timeout=timeout, **options)

        batches = batches_of(texts, batch_size)
        return joined_embeddings(map_in_order(embed, batches, concurrency))

    @overload
    def embed_stream(
        self,
        batches: Batches,
        model: str,
        *,
        return_errors: Literal[False] = False,
        priority: Priority | None = None,
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> Stream[Embeddings]: ...

    @overload
    def embed_stream(
        self,
        batches: Batches,
        model: str,
        *,
        return_errors: Literal[True],
        priority: Priority | None = None,
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> Stream[Embeddings | PanopeClientError]: ...

    def embed_stream(
        self,
        batches: Batches,
        model: str,
        *,
        return_errors: bool = False,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[EmbedOptions],
    ) -> Stream[Embeddings | PanopeClientError]:
        """Embeds batches over one stream, many at a time; the results are in the order of the batches.

        Nothing is retried. What the batches themselves raise is raised after the results of the batches before.

        Args:
            batches: read by a thread of gRPC, as fast as the server takes them.
            model: `vendor/name`.
            return_errors: gives the error of a batch in the place of its vectors and goes on; otherwise it is raised
                and the stream ends.
            priority: see the class.
            timeout: seconds for the whole stream.
            options: see `EmbedOptions`.
        """
        source = embed_source(batches, model, options)
        attempts = self._retries.start(timeout)
        call = self._embed.StreamEmbed(iter(source), timeout=attempts.timeout(), metadata=self._metadata_of(priority))
        responses = 0
        try:
            for response in call:
                result = stream_result(responses, response)
                if isinstance(result, PanopeClientError) and not return_errors:
                    raise result
                responses += 1
                yield result
        except RpcError as error:
            raise failure_of(error) from error
        finally:
            call.cancel()
        check_stream_end(responses, source)

    def tokenize(
        self,
        texts: Sequence[str],
        model: str,
        *,
        add_special_tokens: bool = True,
        priority: Priority | None = None,
        timeout: float | None = None,
    ) -> list[Tokens]:
        """Splits texts into the model's tokens, with or without the tokens that the model puts around a text."""
        request = tokenize_request(texts, model, add_special_tokens=add_special_tokens)
        return tokens_of(self._call(self._embed.Tokenize, request, timeout, priority))

    def detokenize(
        self,
        token_sequences: Sequence[Sequence[int]],
        model: str,
        *,
        skip_special_tokens: bool = True,
        priority: Priority | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Joins the token ids of each text into the text."""
        request = detokenize_request(token_sequences, model, skip_special_tokens=skip_special_tokens)
        response = self._call(self._embed.Detokenize, request, timeout, priority)
        return list(response.texts)
