"""What the header of a GGUF file says of the model's shape: single values, read without the vocabulary and the weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The registry reads more of it, before a file may be
opened here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from panope_backends.errors import PreconditionError

Value = int | float | bool | str

#: Scalar type -> struct code; 8 is a string, 9 an array.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_MAX_TEXT = 1 << 24

VOCABULARY = "tokenizer.ggml.tokens"


@dataclass(frozen=True)
class GgufHeader:
    """The single values of a header, and how long its lists are."""

    values: Mapping[str, Value]
    lengths: Mapping[str, int]

    @property
    def architecture(self) -> str:
        """Such as `llama`."""
        return str(self.values.get("general.architecture", ""))

    def number(self, name: str) -> int:
        """A whole number of the architecture, such as `block_count`; 0 where there is none, or one a layer."""
        value = self.values.get(f"{self.architecture}.{name}", 0)
        return int(value) if isinstance(value, (int, float)) else 0

    @property
    def vocab_size(self) -> int:
        """Tokens of the vocabulary; 0 when unknown."""
        return self.lengths.get(VOCABULARY, 0)

    @property
    def cached_values_per_token(self) -> int:
        """How many numbers the keys and values of one token are, at most; 0 when unknown.

        Layers that differ in their number of heads are counted as if each had all of them.
        """
        heads = self.number("attention.head_count")
        if not heads:
            return 0
        width = self.number("embedding_length") // heads
        keys = self.number("attention.key_length") or width
        values = self.number("attention.value_length") or width
        return self.number("block_count") * (self.number("attention.head_count_kv") or heads) * (keys + values)


def read_header(path: Path) -> GgufHeader:
    """Reads the header of a file, of the first one where a model is in parts.

    Raises:
        PreconditionError: it is no GGUF file of a known version, or ends too early.
    """
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    with path.open("rb") as file:
        try:
            if file.read(4) != b"GGUF" or _number(file, "<I") not in (2, 3):
                raise PreconditionError("the model's file is no GGUF file of version 2 or 3", reason="load_failed")
            _number(file, "<Q")  # the number of tensors
            for _ in range(int(_number(file, "<Q"))):
                name = _text(file)
                kind = int(_number(file, "<I"))
                if kind == _ARRAY:
                    lengths[name] = _pass_list(file)
                else:
                    values[name] = _text(file) if kind == _STRING else _number(file, _SCALARS[kind])
        except (struct.error, KeyError, ValueError) as error:
            raise PreconditionError("the header of the GGUF file is broken", reason="load_failed") from error
    return GgufHeader(values, lengths)


def _number(file: BinaryIO, code: str) -> int | float | bool:
    value: int | float | bool = struct.unpack(code, file.read(struct.calcsize(code)))[0]
    return value


def _text(file: BinaryIO) -> str:
    length = int(_number(file, "<Q"))
    if length > _MAX_TEXT:
        raise ValueError("a text of the header is too long")
    return file.read(length).decode(errors="replace")


def _pass_list(file: BinaryIO) -> int:
    """Reads past a list; its length."""
    kind, length = int(_number(file, "<I")), int(_number(file, "<Q"))
    if kind in _SCALARS:
        file.seek(length * struct.calcsize(_SCALARS[kind]), 1)
    else:
        for _ in range(length):
            if kind == _STRING:
                file.seek(int(_number(file, "<Q")), 1)
            else:
                _pass_list(file)
    return length
