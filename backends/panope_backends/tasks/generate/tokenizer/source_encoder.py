"""Texts to ids of a model whose ids are not those of its pieces: pieces are looked up by their names."""

from __future__ import annotations

import msgspec
from tokenizers import Tokenizer

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.errors import PreconditionError
from panope_backends.tasks.generate.tokenizer.prepared import SourceTokenizer


def read_tokenizer(serialised: msgspec.Raw, *, splits_special_tokens: bool) -> Tokenizer:
    """A prepared tokenizer.

    Args:
        serialised: as the library writes it.
        splits_special_tokens: whether the names of special tokens in texts are text.

    Raises:
        PreconditionError: it is broken.
    """
    try:
        tokenizer = Tokenizer.from_str(bytes(serialised).decode())
    except Exception:  # the library raises nothing narrower
        raise PreconditionError("the model's prepared tokenizer is broken") from None
    # A property of the library's object that its serialised form leaves out.
    tokenizer.encode_special_tokens = splits_special_tokens
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class SourceEncoder:
    """What reads one model's texts; safe to call from several threads.

    Args:
        prepared: of the model.
        splits_special_tokens: whether the names of special tokens in texts are text.

    Raises:
        PreconditionError: the prepared tokenizer is broken.
    """

    def __init__(self, prepared: SourceTokenizer, *, splits_special_tokens: bool) -> None:
        self._prepared = prepared
        self._tokenizer = read_tokenizer(prepared.tokenizer, splits_special_tokens=splits_special_tokens)
        self._names = {token_id: name for name, token_id in prepared.ids.items()}

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The ids of a text."""
        code, rest = self._parted(text)
        # Unlike `encode`, it does not hold the interpreter lock; `encode_batch_fast` gives no tokens.
        (encoding,) = self._tokenizer.encode_batch([rest], add_special_tokens=False)
        ids = [*self._ids([code] if code else []), *self._ids(encoding.tokens)]
        return [*self._prepared.prefix, *ids, *self._prepared.suffix] if add_special_tokens else ids

    def tokenize(self, text: str, *, add_special_tokens: bool) -> messages.TokenizedText:
        """The tokens of a text, with their places in it."""
        code, rest = self._parted(text)
        (encoding,) = self._tokenizer.encode_batch([rest], add_special_tokens=False)
        before, behind = (self._prepared.prefix, self._prepared.suffix) if add_special_tokens else ((), ())
        codes = [code] if code else []
        tokens = [*codes, *encoding.tokens]
        places = [*[(0, len(each)) for each in codes], *[(a + len(code), b + len(code)) for a, b in encoding.offsets]]
        around = [[self._names.get(token_id, "") for token_id in ids] for ids in (before, behind)]
        places = [*[(0, 0)] * len(before), *places, *[(0, 0)] * len(behind)]
        return messages.TokenizedText(
            ids=[*before, *self._ids(tokens), *behind],
            tokens=[*around[0], *tokens, *around[1]],
            starts=[start for start, _ in places],
            ends=[end for _, end in places],
            special=[True] * len(before) + [False] * len(tokens) + [True] * len(behind),
        )

    def _ids(self, tokens: list[str]) -> list[int]:
        known, unknown = self._prepared.ids, self._prepared.unknown_id
        return [known.get(token, unknown) for token in tokens]

    def _parted(self, text: str) -> tuple[str, str]:
        """The code that a text begins with, and the rest of it."""
        if self._prepared.has_codes and text.startswith(">>") and (end := text.find("<<")) != -1:
            return text[: end + 2], text[end + 2 :]
        return "", text
