"""A model's tokenizer and chat templates as transformers makes them of the model's files, kept in one file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.tasks.kept_files import digest_of

#: Among the files of a converted model, or in a server's cache.
FILE = "panope_chat_tokenizer.json"

#: Changes when `preparing` would make something else of the same files.
RECIPE = 2


class LanguageTokens(msgspec.Struct, frozen=True):
    """How a language is told to a model that has several.

    Attributes:
        prefix: special tokens before a text in it.
        suffix: special tokens behind such a text.
        token_id: that an answer in it begins with.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    token_id: int


class SourceTokenizer(msgspec.Struct, frozen=True):
    """What texts are read with where the model's ids are not those of its pieces, as Marian's and M2M-100's are not.

    Attributes:
        tokenizer: as the library `tokenizers` serialises it; its ids are its own.
        ids: the model's, by pieces.
        unknown_id: the model's, of any other piece.
        prefix: special tokens before a text.
        suffix: special tokens behind it.
        has_codes: whether a text begins with `>>code<<`, which is one token, where it begins with `>>`.
    """

    tokenizer: msgspec.Raw
    ids: dict[str, int]
    unknown_id: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    has_codes: bool


class PreparedChatTokenizer(msgspec.Struct, frozen=True):
    """A tokenizer and what goes with it.

    Attributes:
        made_of: the digest of the model's files; see `sources_digest`.
        made_by: the version of transformers.
        tokenizer: as the library `tokenizers` serialises it.
        splits_special_tokens: whether the names of special tokens in texts are text.
        special_tokens: by their names in templates, such as `bos_token`.
        chat_templates: by name, such as `default` and `tool_use`; empty for a model without.
        languages: by name, such as `eng_Latn`; empty for a model that is told none.
        target_codes: tokens before a text by the language that it is to be translated into, as Marian has them.
        language_pair: the languages that a model translates from and into, where it has one of each.
        source: what texts are read with; None for `tokenizer`, by which answers are written.
    """

    made_of: str
    made_by: str
    tokenizer: msgspec.Raw
    splits_special_tokens: bool
    special_tokens: dict[str, str]
    chat_templates: dict[str, str]
    languages: dict[str, LanguageTokens] = {}
    target_codes: dict[str, int] = {}
    language_pair: tuple[str, str] | None = None
    source: SourceTokenizer | None = None


def sources_digest(folder: Path) -> str:
    """The digest of all files of a model that it may be made of."""
    return digest_of(folder, f"generate {RECIPE}")
