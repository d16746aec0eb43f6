"""The texts of classifying bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from panope_backends.errors import InvalidInputError
from panope_server.transport.rest.classification.schemas import PairJson, Text
from panope_server.transport.rest.json.requests import decoded

_Some = Meta(min_length=1)
INPUTS = (Text, PairJson, Annotated[list[Text], _Some], Annotated[list[PairJson], _Some])
"""What `inputs` of the Inference API may be."""

_Input = Text | PairJson | Annotated[list[Text | PairJson], _Some]
_TEXT = msgspec.json.Decoder(Text)
_INPUT = msgspec.json.Decoder(_Input)

PREDICT_INPUTS = (
    Text,
    Annotated[list[Text], Meta(min_length=1, max_length=2)],
    Annotated[list[Annotated[list[Text], Meta(min_length=1, max_length=2)]], _Some],
)
"""What `inputs` of Text Embeddings Inference may be."""

_Predict = Text | Annotated[list[Text | Annotated[list[Text], Meta(min_length=1, max_length=2)]], _Some]
_PREDICT = msgspec.json.Decoder(_Predict)

_PAIR = 2


@dataclass(frozen=True)
class Texts:
    """What to classify.

    Attributes:
        first: the texts.
        second: the second of each, where there are pairs; else empty.
        single: whether the caller gave one by itself.
    """

    first: list[str]
    second: list[str]
    single: bool


def read_inputs(raw: Raw) -> Texts:
    """`inputs` of the Inference API."""
    value = decoded(_INPUT, raw, _Input, "inputs")
    items = value if isinstance(value, list) else [value]
    pairs = [item for item in items if isinstance(item, PairJson)]
    if pairs and len(pairs) < len(items):
        raise InvalidInputError("`inputs` mixes texts and pairs of texts", field="inputs")
    single = not isinstance(value, list)
    if pairs:
        return Texts([pair.text for pair in pairs], [pair.text_pair for pair in pairs], single)
    return Texts([item for item in items if isinstance(item, str)], [], single)


def read_text(raw: Raw) -> str:
    """`inputs` of the Inference API, where they are an image in base64."""
    return decoded(_TEXT, raw, Text, "inputs")


def read_predict_inputs(raw: Raw) -> Texts:
    """`inputs` of Text Embeddings Inference, where two texts in a list are a pair."""
    value = decoded(_PREDICT, raw, _Predict, "inputs")
    if isinstance(value, str):
        return Texts([value], [], single=True)
    rows = [item for item in value if isinstance(item, list)]
    if not rows:
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) > _PAIR:
            raise InvalidInputError("`inputs` must be a text, a pair of texts, or a list of lists", field="inputs")
        return Texts(texts[:1], texts[1:], single=True)
    if len(rows) < len(value) or len({len(row) for row in rows}) > 1:
        raise InvalidInputError("`inputs` mixes texts and pairs of texts", field="inputs")
    return Texts([row[0] for row in rows], [row[1] for row in rows if len(row) == _PAIR], single=False)
