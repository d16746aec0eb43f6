"""How a model's files say that the texts of tables become tokens.

vocab.txt               WordPiece's tokens, one a line
tokenizer_config.json   `TokenizerFile`, with transformers' defaults where it says nothing
config.json             `ModelFile`: how far the tables of the model's token types reach
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from panope_backends.errors import PreconditionError
from panope_backends.tasks.json_files import read_json, typed

CLS, SEP, PAD, UNKNOWN, EMPTY = "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[EMPTY]"

INNER = "##"
"""What a token that goes on a word begins with."""

_TOKENS = {"cls_token": CLS, "sep_token": SEP, "pad_token": PAD, "unk_token": UNKNOWN, "empty_token": EMPTY}

#: transformers', where tokenizer_config.json says nothing.
_USUAL_TOKENS = 512

#: Longer words are unknown, as transformers has it.
_MOST_OF_WORD = 100

#: More than any vocabulary takes.
_MOST_VOCABULARY_BYTES = 1 << 26

#: transformers writes a number of 31 digits where nothing limits the length of a text.
_NO_LIMIT = 1 << 31

_Count = Annotated[int, Meta(ge=1)]
_File = TypeVar("_File", bound=Struct)


class TokenizerFile(Struct):
    """tokenizer_config.json."""

    do_lower_case: bool = True
    do_basic_tokenize: bool = True
    tokenize_chinese_chars: bool = True
    strip_accents: bool | None = None
    cell_trim_length: int = -1
    max_column_id: _Count | None = None
    max_row_id: _Count | None = None
    strip_column_names: bool = False
    min_question_length: int | None = None
    max_question_length: int | None = None
    model_max_length: _Count | None = None


class ModelFile(Struct):
    """config.json, with TAPAS's own defaults."""

    vocab_size: _Count = 30522
    max_position_embeddings: _Count = 1024
    type_vocab_sizes: Annotated[tuple[_Count, ...], Meta(min_length=7, max_length=7)] = (3, 256, 256, 2, 256, 256, 10)


@dataclass(frozen=True)
class TableFiles:
    """How tables become tokens.

    Attributes:
        tokenizer: of texts.
        ids: of the tokens that stand for something else than text, by their usual names.
        max_tokens: of a question with its table.
        max_rows: that are read.
        max_columns: that a table may have.
        type_sizes: rows of the tables of each kind of token types.
        cell_trim_length: the most tokens of a cell; below 0 for as many as fit.
        strip_column_names: whether the names of columns are not read.
    """

    tokenizer: Tokenizer
    ids: Mapping[str, int]
    max_tokens: int
    max_rows: int
    max_columns: int
    type_sizes: Sequence[int]
    cell_trim_length: int = -1
    strip_column_names: bool = False


def read_table_files(folder: Path) -> TableFiles:
    """Reads a model's folder.

    Raises:
        PreconditionError: a file is missing or broken, or asks for what Panope cannot do; the message names it.
    """
    name = "tokenizer_config.json"
    content = read_json(folder / name, missing_ok=True)
    file = _part(content, TokenizerFile, name)
    model = _part(read_json(folder / "config.json"), ModelFile, "config.json")
    for key in ("min_question_length", "max_question_length"):
        if getattr(file, key) is not None:
            raise PreconditionError(f"{name} sets `{key}`; Panope reads questions of any length")
    if not file.do_basic_tokenize:
        raise PreconditionError(f"{name} turns `do_basic_tokenize` off, without which Panope reads no tables")
    vocabulary = _vocabulary(folder)
    tokens = {usual: _token(content.get(key), usual) for key, usual in _TOKENS.items()}
    if missing := [token for token in tokens.values() if token not in vocabulary]:
        raise PreconditionError(f"vocab.txt has no token `{missing[0][:64]}`")
    if max(vocabulary.values()) >= model.vocab_size:
        raise PreconditionError(
            f"vocab.txt has {len(vocabulary):,} tokens, and config.json has {model.vocab_size:,} as `vocab_size`"
        )
    stated = file.model_max_length or _USUAL_TOKENS
    _, columns, rows, *_ = model.type_vocab_sizes
    return TableFiles(
        tokenizer=_tokenizer(vocabulary, tokens[UNKNOWN], file),
        ids={usual: vocabulary[token] for usual, token in tokens.items()},
        max_tokens=min(stated, model.max_position_embeddings),
        max_rows=min(file.max_row_id or stated, rows) - 1,
        max_columns=min(file.max_column_id or stated, columns) - 1,
        type_sizes=model.type_vocab_sizes,
        cell_trim_length=file.cell_trim_length,
        strip_column_names=file.strip_column_names,
    )


def _tokenizer(vocabulary: dict[str, int], unknown: str, file: TokenizerFile) -> Tokenizer:
    """BERT's. Nothing in a text is taken for one of its special tokens: cells are data."""
    made = Tokenizer(models.WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=_MOST_OF_WORD))
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=file.tokenize_chinese_chars,
        strip_accents=file.strip_accents,
        lowercase=file.do_lower_case,
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def _vocabulary(folder: Path) -> dict[str, int]:
    path = folder / "vocab.txt"
    if not path.is_file():
        raise PreconditionError("the model has no file `vocab.txt`", reason="missing_file")
    if path.stat().st_size > _MOST_VOCABULARY_BYTES:
        raise PreconditionError(f"vocab.txt has more than {_MOST_VOCABULARY_BYTES:,} bytes")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise PreconditionError("vocab.txt is no text in UTF-8") from None
    return {line.rstrip("\r"): at for at, line in enumerate(lines) if line or at < len(lines) - 1}


def _part(content: Mapping[str, Any], kind: type[_File], name: str) -> _File:
    """The keys of a file that matter here; numbers that stand for "no limit" are large ones."""
    keys = {field.encode_name for field in msgspec.structs.fields(kind)}
    found = {
        key: min(value, _NO_LIMIT) if type(value) is int else value for key, value in content.items() if key in keys
    }
    return typed(found, kind, name)


def _token(stated: Any, usual: str) -> str:
    """A token as tokenizer_config.json writes it: a text, or an object with its text."""
    text = stated.get("content") if isinstance(stated, dict) else stated
    return text if isinstance(text, str) and text else usual
