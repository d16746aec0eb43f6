"""What the files of a late-interaction model (ColBERT) say: a vector for each token, compared by MaxSim.

config_sentence_transformers.json   `MultiVectorModelFile`, of a MultiVectorEncoder; or as PyLate 3 wrote it, of a
                                    `ColBERT`, whose marks, lengths and words to skip stand there
sentence_bert_config.json           lengths of queries and documents, and how queries are expanded
N_MultiVectorMask/config.json       `MaskFile`: which tokens have no vector in the answer
artifact.metadata                   `ColbertFile`: all of this, as ColBERT's own code writes it, whose config.json names
                                    the class `HF_ColBERT`
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.sentence_files import ModelFile, Positive, TransformerFile
from panope_backends.tasks.json_files import read_json, read_typed, shown, typed

#: The kinds of models that sentence-transformers and PyLate call so.
NATIVE, PYLATE = "MultiVectorEncoder", "ColBERT"
KINDS = (NATIVE, PYLATE)

_DOCUMENT = "document"

ARTIFACT = "artifact.metadata"
"""The file that ColBERT's own code writes."""

_COLBERT = "HF_ColBERT"

#: The tokens of a query of ColBERT's, where a file does not say.
_QUERY_TOKENS = 32


class MultiVectorModelFile(ModelFile):
    """Prompts, how vectors are compared, and what PyLate wrote here."""

    query_prefix: str | None = None
    document_prefix: str | None = None
    query_length: Positive | None = None
    document_length: Positive | None = None
    do_query_expansion: bool | None = None
    attend_to_expansion_tokens: bool | None = None
    attend_to_mask_tokens: bool | None = None
    skiplist_words: list[str] | None = None


class ColbertFile(Struct):
    """How ColBERT's own code was told to train; its many other settings say nothing of how texts are embedded."""

    query_token_id: str = "[unused0]"  # noqa: S105 - a token of a vocabulary
    doc_token_id: str = "[unused1]"  # noqa: S105 - a token of a vocabulary
    query_maxlen: Positive = _QUERY_TOKENS
    doc_maxlen: Positive | None = None
    mask_punctuation: bool = True
    attend_to_mask_tokens: bool = False
    similarity: str = "cosine"


class MaskFile(Struct):
    """Which tokens have no vector in the answer."""

    skiplist_words: list[str] | None = None
    skiplist_tasks: list[str] | str | None = None
    keep_only_token_ids: list[int] | None = None


class ExpansionFile(Struct):
    """How queries are filled up with tokens that have vectors of their own."""

    strategy: Literal["fixed", "min"]
    length: Positive
    attend: bool = False
    token: str | None = None


@dataclass(frozen=True)
class Expansion:
    """How queries are filled up.

    Attributes:
        length: of tokens, up to which they are.
        cuts: whether longer queries are cut to it.
        attends: whether other tokens see those that are added.
        token: that is added; None for the one that stands for what is masked.
    """

    length: int
    cuts: bool = True
    attends: bool = False
    token: str | None = None


@dataclass(frozen=True)
class MultiVectors:
    """How a model gives a vector for each token.

    Attributes:
        query_length: of a query's tokens at most; None for the model's own.
        document_length: of a document's.
        expansion: of queries; None for none.
        skipped_words: tokens without a vector.
        skips_in: of what: `query`, `document`.
        kept_ids: of documents, the tokens that alone have a vector; none for all.
        markers: prompts whose tokens the tokenizer must keep in one piece.
        is_mean: whether a score is divided by the query's vectors.
    """

    query_length: int | None = None
    document_length: int | None = None
    expansion: Expansion | None = None
    skipped_words: tuple[str, ...] = ()
    skips_in: tuple[str, ...] = (_DOCUMENT,)
    kept_ids: tuple[int, ...] = ()
    markers: tuple[str, ...] = ()
    is_mean: bool = False


def read_multi_vectors(
    model: MultiVectorModelFile, transformer: TransformerFile, mask: Path | None, name: str
) -> MultiVectors:
    """How vectors are made.

    Args:
        model: config_sentence_transformers.json.
        transformer: sentence_bert_config.json.
        mask: the folder of the MultiVectorMask; None where PyLate left it out.
        name: of the file that `transformer` is.

    Raises:
        PreconditionError: a file asks for what Panope cannot do; the message names it.
    """
    of_pylate = _is_of_pylate(model)
    file = MaskFile() if mask is None else read_typed(mask / "config.json", MaskFile)
    words = file.skiplist_words
    if mask is None:
        words = model.skiplist_words if model.skiplist_words is not None else list(string.punctuation)
    tasks = file.skiplist_tasks if file.skiplist_tasks is not None else [_DOCUMENT]
    expansion = _expansion(transformer.query_expansion, name)
    if expansion is None and of_pylate and transformer.query_expansion is None:
        expansion = _expansion_of_pylate(model)
    query_length = transformer.query_length or (None if of_pylate else model.query_length)
    if expansion is not None and query_length is not None and query_length < expansion.length:
        raise PreconditionError(f"{name} has {query_length:,} as `query_length`, and expands queries beyond it")
    return MultiVectors(
        query_length=query_length,
        document_length=transformer.document_length or model.document_length,
        expansion=expansion,
        skipped_words=tuple(words or ()),
        skips_in=(tasks,) if isinstance(tasks, str) else tuple(tasks),
        kept_ids=tuple(file.keep_only_token_ids or ()),
        markers=tuple(prefix for prefix in (model.query_prefix, model.document_prefix) if prefix),
        is_mean=model.similarity_fn_name == "meanmaxsim",
    )


def is_colbert(config: Mapping[str, Any]) -> bool:
    """Whether config.json is of ColBERT's own code, which keeps its projection among the model's weights."""
    named = config.get("architectures")
    return isinstance(named, list) and _COLBERT in named


def read_colbert(folder: Path) -> tuple[MultiVectors, dict[str, str]]:
    """How vectors are made by a model of ColBERT's own code, and its prompts, which are its marks.

    Raises:
        PreconditionError: artifact.metadata is broken, or asks for what Panope cannot do.
    """
    content = read_json(folder / ARTIFACT, missing_ok=True)
    known = {field.encode_name for field in msgspec.structs.fields(ColbertFile)}
    file = typed({key: value for key, value in content.items() if key in known}, ColbertFile, ARTIFACT)
    if file.similarity != "cosine":
        raise PreconditionError(f"{ARTIFACT} compares vectors by `{shown(file.similarity)}`; Panope does by `cosine`")
    prompts = {"query": f"{file.query_token_id} ", _DOCUMENT: f"{file.doc_token_id} "}
    made = MultiVectors(
        document_length=file.doc_maxlen,
        expansion=Expansion(file.query_maxlen, attends=file.attend_to_mask_tokens),
        skipped_words=tuple(string.punctuation) if file.mask_punctuation else (),
        markers=tuple(prompts.values()),
    )
    return made, prompts


def prompts_of(model: MultiVectorModelFile) -> dict[str, str]:
    """The prompts, with PyLate's marks before them."""
    prompts = {name: text or "" for name, text in model.prompts.items()}
    for name, prefix in (("query", model.query_prefix), ("document", model.document_prefix)):
        if prefix is not None:
            prompts[name] = prefix + prompts.get(name, "").removeprefix(prefix)
    return prompts


def read_model_file(content: Mapping[str, Any], name: str) -> MultiVectorModelFile:
    """config_sentence_transformers.json of such a model.

    Raises:
        PreconditionError: it asks for what Panope cannot do.
    """
    file = typed(content, MultiVectorModelFile, name)
    for key in ("truncate_dim", "max_active_dims"):
        if getattr(file, key) is not None:
            raise PreconditionError(f"{name} sets `{key}`, which a model with a vector for each token does not have")
    # Those of models with one vector for each text are left over from what the model was made of.
    if file.similarity_fn_name not in (None, "maxsim", "meanmaxsim", "MaxSim", "cosine", "dot"):
        raise PreconditionError(f"{name} compares vectors by `{shown(str(file.similarity_fn_name))}`, not by MaxSim")
    return file


def _is_of_pylate(model: MultiVectorModelFile) -> bool:
    given: Sequence[object] = (
        *(model.query_prefix, model.document_prefix, model.query_length, model.document_length),
        *(model.do_query_expansion, model.attend_to_expansion_tokens, model.attend_to_mask_tokens),
        model.skiplist_words,
    )
    return any(each is not None for each in given)


def _expansion(content: dict[str, Any] | None, name: str) -> Expansion | None:
    if content is None:
        return None
    file = typed(content, ExpansionFile, f"query_expansion of {name}")
    return Expansion(file.length, file.strategy == "fixed", file.attend, file.token)


def _expansion_of_pylate(model: MultiVectorModelFile) -> Expansion | None:
    """As its release before 4 had it: on unless it is turned off, to the query's length."""
    if model.do_query_expansion is False:
        return None
    attends = model.attend_to_expansion_tokens
    attends = model.attend_to_mask_tokens if attends is None else attends
    return Expansion(model.query_length or _QUERY_TOKENS, attends=bool(attends))
