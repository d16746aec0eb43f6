"""A model's tokenizer and chat templates as transformers makes them of the model's files, kept in one file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.tasks.kept_files import digest_of

#: Among the files of a converted model, or in a server's cache.
FILE = "panope_chat_tokenizer.json"

#: Changes when `preparing` would make something else of the same files.
RECIPE = 1


class PreparedChatTokenizer(msgspec.Struct, frozen=True):
    """A tokenizer and what goes with it.

    Attributes:
        made_of: the digest of the model's files; see `sources_digest`.
        made_by: the version of transformers.
        tokenizer: as the library `tokenizers` serialises it.
        splits_special_tokens: whether the names of special tokens in texts are text.
        special_tokens: by their names in templates, such as `bos_token`.
        chat_templates: by name, such as `default` and `tool_use`; empty for a model without.
    """

    made_of: str
    made_by: str
    tokenizer: msgspec.Raw
    splits_special_tokens: bool
    special_tokens: dict[str, str]
    chat_templates: dict[str, str]


def sources_digest(folder: Path) -> str:
    """The digest of all files of a model that it may be made of."""
    return digest_of(folder, f"generate {RECIPE}")
