"""Makes a model's tokenizer by transformers, as sentence-transformers does, and proves its serialised form.

Needs transformers, and torch for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.word_tables import SPARSE_STATIC, WORD_EMBEDDINGS
from panope_backends.tasks.embed.files.embed_files import EmbedFiles, TokenizerSettings
from panope_backends.tasks.embed.tokenizers.prepared import PreparedTokenizer, sources_digest
from panope_backends.tasks.embed.tokenizers.static_tokenizer import prepare_static, without_special
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.json_files import read_json, shown
from panope_backends.tasks.probing import PROBING_TEXTS
from panope_backends.tasks.tokenizer_making import (
    has_vocabulary,
    import_transformers,
    load_tokenizer,
    quiet,
    serialised,
)

#: Lengths that probing texts are cut to.
_CUTS = (4, 9)
_PAIR_CUTS = (9, 14)

#: Model types that number positions from `pad_token_id` + 1, so that their last rows of positions are out of reach.
_POSITIONS_AFTER_PADDING = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)

#: A processor that leaves texts to its tokenizer, and images to what is made for them.
_PLAIN_PROCESSOR = "CLIPProcessor"

#: transformers and tokenizers write "no limit" as a number of thirty digits.
_NO_LIMIT = 1 << 31


def prepare_tokenizer(files: EmbedFiles) -> PreparedTokenizer:
    """Makes and proves it.

    Raises:
        PreconditionError: a file is missing or broken, or asks for what Panope cannot do; the message names it.
    """
    if files.is_static:
        return prepare_static(files)
    folder = files.transformer_folder
    if not has_vocabulary(folder):
        raise PreconditionError("the model has no tokenizer.json, and no vocabulary to make a tokenizer of")
    _refuse_settings(files)
    transformers = import_transformers()
    made = load_tokenizer(transformers, folder, _arguments(files.tokenizer))
    if files.tokenizer.plain and getattr(made, "chat_template", None) is not None:
        raise PreconditionError(
            "the model has a chat template and no modules.json, so that texts would be rendered as chat messages; "
            "add modules.json with Transformer and Pooling to embed texts as they are"
        )
    if files.multi is not None:
        _keep_markers(made, files.multi.markers)
    told = serialised(made, lower_case=files.tokenizer.lower_case)
    has_special = files.table != SPARSE_STATIC
    prepared = PreparedTokenizer(
        made_of=sources_digest(files),
        made_by=transformers.__version__,
        tokenizer=msgspec.Raw((told if has_special else without_special(told)).encode()),
        pad_id=_pad_id(made, files),
        padding_side=_side(made),
        special_ids=sorted(set(made.all_special_ids)),
        splits_special_tokens=bool(made.split_special_tokens),
        gives_token_types="token_type_ids" in made.model_input_names,
        max_tokens=_max_tokens(transformers, made, files),
        unknown_id=made.unk_token_id if files.pairs or files.marks else None,
        start_id=made.cls_token_id if files.marks else None,
        mask_id=made.mask_token_id if files.marks else None,
        cleans_up=files.marks and _cleans_up(made),
        cuts_plainly=files.table == WORD_EMBEDDINGS,
    )
    ours = TextTokenizer(prepared)
    _prove(made, ours, has_special=has_special, cuts=not prepared.cuts_plainly)
    if files.pairs:
        _prove_pairs(made, ours)
    return prepared


def _keep_markers(made: Any, markers: Sequence[str]) -> None:
    """Has the tokenizer give a mark that its vocabulary has as one token, as the model was trained with it.

    PyLate and Stanford's ColBERT put the marks `[unused0]` or `[Q] ` before texts as ids. A tokenizer splits them where
    they are written, unless they are special tokens. A mark that is no token stays text.
    """
    from transformers import AddedToken

    known = {*made.get_vocab(), *(made.added_tokens_encoder or {})}
    found = []
    for marker in markers:
        token = next((each for each in (marker, *marker.split(None, 1)[:1]) if each in known), None)
        if token is not None and made.tokenize(token) != [token]:
            found.append(AddedToken(token, normalized=False, special=True))
    if found:
        made.add_special_tokens({"additional_special_tokens": found})


def _refuse_settings(files: EmbedFiles) -> None:
    """Settings by which texts are not tokenised by the tokenizer alone; CLIP's processor does no more to them."""
    folder = files.transformer_folder
    config = read_json(folder / "tokenizer_config.json", missing_ok=True)
    if config.get("auto_map"):
        raise PreconditionError("tokenizer_config.json asks for a tokenizer of the repo's own code (`auto_map`)")
    described = read_json(folder / "processor_config.json", missing_ok=True)
    named = {name for name in (config.get("processor_class"), described.get("processor_class")) if name}
    if (named or described) and not (files.towers and named <= {_PLAIN_PROCESSOR}):
        raise PreconditionError("the model asks for a processor besides its tokenizer; Panope embeds texts alone")


def _cleans_up(made: Any) -> bool:
    """As transformers decides it, which leaves the blanks of byte-pair tokenizers alone."""
    return bool(made.clean_up_tokenization_spaces) and type(made.backend_tokenizer.model).__name__ != "BPE"


def _arguments(settings: TokenizerSettings) -> dict[str, Any]:
    arguments = dict(settings.arguments)
    if settings.stated_tokens is not None:
        arguments.setdefault("model_max_length", settings.stated_tokens)
    return arguments


def _pad_id(made: Any, files: EmbedFiles) -> int:
    # Without a padding token any id does: padding is masked. 0 exists in every vocabulary.
    found = made.pad_token_id
    return int(found if found is not None else files.config.get("pad_token_id") or 0)


def _side(made: Any) -> Any:
    if made.padding_side not in ("left", "right"):
        raise PreconditionError(f"tokenizer_config.json has the padding_side `{shown(made.padding_side)}`")
    return made.padding_side


def _max_tokens(transformers: Any, made: Any, files: EmbedFiles) -> int | None:
    """What is stated holds, whatever the model was trained with; the weights' tables are the engine's to know."""
    settings = files.tokenizer
    limits: list[Any] = [settings.call_tokens]
    if settings.call_tokens is None:
        limits = [made.model_max_length]
        if settings.stated_tokens is None and "model_max_length" not in settings.arguments:
            # sentence-transformers does so too, whether the model has a table of positions or not.
            limits.append(_positions(_config(transformers, files)))
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < _NO_LIMIT]
    return min(known) if known else None


def _positions(config: Mapping[str, Any]) -> int | None:
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return positions


def _config(transformers: Any, files: EmbedFiles) -> dict[str, Any]:
    """The configuration under the names that all models share; as the file has it for a type of the repo's own."""
    try:
        with quiet(transformers):
            found = transformers.AutoConfig.from_pretrained(
                files.transformer_folder, local_files_only=True, trust_remote_code=False
            )
    except Exception:  # whatever a class makes of a configuration; without one the file's own names are read
        return dict(files.config)
    names = ("model_type", "max_position_embeddings", "pad_token_id")
    return {name: getattr(found, name, None) for name in names}


def _prove_pairs(made: Any, ours: TextTokenizer) -> None:
    """Compares ids and token types of pairs of probing texts, whole and cut, with transformers' own.

    Raises:
        PreconditionError: some differ.
    """
    first, second = list(PROBING_TEXTS), [*PROBING_TEXTS[1:], PROBING_TEXTS[0]]
    sides = {"end": "right", "start": "left"}
    for limit, side in ((0, "end"), *((limit, side) for limit in _PAIR_CUTS for side in sides)):
        cut = {"truncation": "longest_first", "max_length": limit} if limit else {}
        made.truncation_side = sides[side]
        theirs = made(first, second, **cut)
        found = [row for row, _ in ours.encode_pairs(first, second, limit, side=side)]
        types = theirs.get("token_type_ids", [()] * len(found))
        if [row.ids for row in found] != theirs["input_ids"] or [list(row.type_ids) for row in found] != list(
            map(list, types)
        ):
            raise PreconditionError(
                f"the tokenizer {type(made).__name__} puts two texts together in another way than its serialised form"
            )


def _prove(made: Any, ours: TextTokenizer, *, has_special: bool, cuts: bool) -> None:
    """Compares ids of probing texts, whole and cut, with transformers' own.

    Args:
        made: transformers' tokenizer.
        ours: its serialised form.
        has_special: whether texts get special tokens.
        cuts: whether texts are cut as transformers cuts them.

    Raises:
        PreconditionError: some differ.
    """
    texts = [*PROBING_TEXTS, *(f"a {token} b{token}" for token in made.all_special_tokens)]
    theirs = made(texts, add_special_tokens=has_special)["input_ids"]
    found = ours.encode(texts)
    if found != theirs:
        raise PreconditionError(
            f"the tokenizer {type(made).__name__} gives other ids in its serialised form than in transformers"
        )
    side = "end" if made.truncation_side == "right" else "start"
    for limit in _CUTS if cuts else ():
        cut = made(texts, truncation=True, max_length=limit, add_special_tokens=has_special)["input_ids"]
        if [ours.truncate(ids, limit, side) if len(ids) > limit else ids for ids in found] != cut:
            raise PreconditionError(f"the tokenizer {type(made).__name__} cuts long texts in a way of its own")
