"""The requests of texts and tokens from arguments, and results from their responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from panope.v1 import embed_service_pb2 as embed_pb
from panope_client.arguments import iterated, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.results import Tokens


def tokenize_request(texts: Sequence[str], model: str, *, add_special_tokens: bool) -> embed_pb.TokenizeRequest:
    """Makes the request to split texts into tokens."""
    return request_of(embed_pb.TokenizeRequest, model=model, texts=texts, add_special_tokens=add_special_tokens)


def tokens_of(response: embed_pb.TokenizeResponse) -> list[Tokens]:
    """Reads the tokens of each text."""
    return [
        Tokens(tuple(text.ids), tuple(text.tokens), tuple(zip(text.starts, text.ends, strict=True)))
        for text in response.texts
    ]


def detokenize_request(
    token_sequences: Iterable[Sequence[int]], model: str, *, skip_special_tokens: bool
) -> embed_pb.DetokenizeRequest:
    """Makes the request to join token ids into texts."""
    return request_of(
        embed_pb.DetokenizeRequest,
        model=model,
        token_sequences=sequences_of(token_sequences, "token_sequences"),
        skip_special_tokens=skip_special_tokens,
    )


def sequences_of(sequences: Iterable[Any], argument: str) -> list[embed_pb.TokenSequence]:
    """Makes the messages of the token ids of texts.

    Raises:
        InvalidArgumentError: an item is no list of token ids; the error names it as one of `argument`.
    """
    messages = []
    for index, ids in enumerate(iterated(sequences, argument)):
        try:
            messages.append(embed_pb.TokenSequence(ids=[*ids]))
        except (TypeError, ValueError) as error:
            name = f"{argument}[{index}]"
            kinds = "a str or token ids" if argument == "texts" else "token ids"
            message = f"`{name}` must be {kinds}, a list of integers from 0 to 2**32 - 1"
            raise InvalidArgumentError(message, field=name) from error
    return messages
