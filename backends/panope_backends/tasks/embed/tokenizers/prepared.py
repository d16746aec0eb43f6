"""A model's tokenizer as transformers makes it of the model's files, kept in one file.

transformers changes a tokenizer while it loads it: it builds some again from their vocabulary, and lays settings of
tokenizer_config.json, special_tokens_map.json and sentence-transformers' files over others. So the tokenizer is made
once by transformers itself (`preparing`), when the model is converted or first loaded, and workers read what was made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.kept_files import digest_of, read_kept

Side = Literal["left", "right"]

#: Among the files of a converted model, or in a server's cache.
FILE = "panope_tokenizer.json"

#: Changes when `preparing` would make something else of the same files.
RECIPE = 1


class PreparedTokenizer(msgspec.Struct, frozen=True):
    """A tokenizer and what goes with it.

    Attributes:
        made_of: the digest of the model's files; see `sources_digest`.
        made_by: the version of transformers.
        tokenizer: as the library `tokenizers` serialises it.
        pad_id: the id that fills short texts up.
        padding_side: where they are filled up.
        special_ids: ids that are no part of a text.
        splits_special_tokens: whether the names of special tokens in texts are text.
        gives_token_types: whether the model is given token types.
        max_tokens: of one text, special tokens included; None when nothing sets a limit.
        unknown_id: of the token for what the vocabulary lacks; None when there is none, or nobody asks.
        start_id: of the token that starts a text (`cls_token`); likewise.
        mask_id: of the token that stands for what is masked; likewise.
        cuts_plainly: whether a text that is too long loses its special tokens too, where it is cut.
        cleans_up: whether blanks before punctuation are taken out of what tokens spell; False where nobody asks.
    """

    made_of: str
    made_by: str
    tokenizer: msgspec.Raw
    pad_id: int
    padding_side: Side
    special_ids: list[int]
    splits_special_tokens: bool
    gives_token_types: bool
    max_tokens: int | None
    unknown_id: int | None = None
    start_id: int | None = None
    mask_id: int | None = None
    cleans_up: bool = False
    cuts_plainly: bool = False


def sources_digest(files: EmbedFiles) -> str:
    """The digest of all files of a model that a tokenizer may be made of, by their names and contents."""
    kind = "\npairs" if files.pairs else f"\n{files.table}" if files.table else ""
    marks = "\nmarks" if files.marks else ""
    marks += f"\n{files.multi.markers}" if files.multi is not None and files.multi.markers else ""
    return digest_of(files.transformer_folder, f"{RECIPE}\n{files.tokenizer}{kind}{marks}")


def find_prepared(path: Path, made_of: str) -> PreparedTokenizer | None:
    """What was prepared before of the same files; None where nothing was, or what is there is broken."""
    found = read_kept(path, PreparedTokenizer)
    return found if found is not None and found.made_of == made_of else None
