"""A case for each form of the models of words that sentence-transformers makes, saved by itself."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from zoo_models.case import VOCABULARY, Case
from zoo_models.tokenizers import MAKERS

WORDS = (
    *("PADDING_TOKEN", "The", "quick", "brown", "fox", "a", "Words", "with", "accents", "naïve", "中文字", "spaces"),
    *("before", "between", "one", "sentence", "that", "is", "far", "longer", "than", "the", "model", "takes", "limit"),
    *("numbers", "123", "mask", "[MASK]", "special", "ones", "ing", "er", "tabs", "and", "lines", "never-seen"),
)
WIDTH = 12

_TABLE = np.random.default_rng(5).standard_normal((len(WORDS), WIDTH), dtype=np.float32)
_TABLE[0] = 0
_WEIGHTS = {word.lower(): 0.2 + 0.1 * at for at, word in enumerate(WORDS) if at % 3}
_MODEL = "config_sentence_transformers.json"

#: Makes one of sentence-transformers' modules from the width of the vectors before it.
Make = Callable[[int], Any]


def words(**settings: Any) -> Make:
    """A module WordEmbeddings; `vocab`, `stop_words` and `do_lower_case` are the tokenizer's."""

    def make(_: int) -> Any:
        from sentence_transformers.sentence_transformer.modules import WordEmbeddings, tokenizer

        given = {"vocab": WORDS, "stop_words": ("is", "that"), **settings}
        kind = getattr(tokenizer, given.pop("tokenizer", "WhitespaceTokenizer"))
        table = given.pop("table", _TABLE)
        limit = given.pop("max_seq_length", 1_000_000)
        return WordEmbeddings(kind(**given), table, max_seq_length=limit)

    return make


def step(kind: str, **settings: Any) -> Make:
    """A module of sentence-transformers' with random weights."""

    def make(width: int) -> Any:
        from sentence_transformers.sentence_transformer import modules

        first = {"CNN": "in_embedding_dimension", "LSTM": "embedding_dimension", "Pooling": "embedding_dimension"}
        first |= {"Dense": "in_features", "LayerNorm": "dimension"}
        return getattr(modules, kind)(**({first[kind]: width} if kind in first else {}), **settings)

    return make


def weights(**settings: Any) -> Make:
    """A module WordWeights."""
    return step(
        "WordWeights", **{"vocab": list(WORDS), "word_weights": _WEIGHTS, "unknown_word_weight": 0.7, **settings}
    )


def bag(**settings: Any) -> Make:
    """A module BoW."""
    given = {"vocab": [*WORDS, "fox"], "word_weights": _WEIGHTS, "unknown_word_weight": 0.7}
    return step("BoW", **given | settings)


def wrapped(**settings: Any) -> Make:
    """A module WordEmbeddings with a tokenizer of transformers."""

    def make(_: int) -> Any:
        from sentence_transformers.sentence_transformer.modules import WordEmbeddings

        table = np.random.default_rng(8).standard_normal((VOCABULARY, WIDTH), dtype=np.float32)
        return WordEmbeddings(_tokenizer(), table, **settings)

    return make


def sparse(count: int = 0, tokenizer: str = "wordpiece") -> Make:
    """A module SparseStaticEmbedding; `count` is of its weights."""

    def make(_: int) -> Any:
        import torch
        from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

        made = _tokenizer(tokenizer)
        weights = np.random.default_rng(9).standard_normal(count or len(made.get_vocab()), dtype=np.float32)
        return SparseStaticEmbedding(made, torch.from_numpy(weights), frozen=True)

    return make


def _tokenizer(kind: str = "wordpiece") -> Any:
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        MAKERS[kind](Path(folder))
        return transformers.AutoTokenizer.from_pretrained(folder)


MEAN = (step("Pooling"),)


@dataclass(frozen=True)
class WordCase(Case):
    """One folder.

    Attributes:
        makes: the modules, in their order.
        encoder: the library's class for such a model.
        pickled: whether their weights are saved as pickles.
    """

    makes: Sequence[Make] = field(default_factory=lambda: (words(), *MEAN))
    encoder: str = "SentenceTransformer"
    pickled: bool = False

    def write(self, folder: Path) -> None:
        """Has sentence-transformers make the folder."""
        import sentence_transformers
        import torch

        torch.manual_seed(6)
        made, width = [], 0
        for make in self.makes:
            made.append(make(width))
            width = made[-1].get_embedding_dimension() if hasattr(made[-1], "get_embedding_dimension") else width
        model = getattr(sentence_transformers, self.encoder)(modules=made, device="cpu")
        model.save(str(folder), create_model_card=False, safe_serialization=not self.pickled)
        for name, content in self.files.items():
            path = folder / name
            there = json.loads(path.read_text()) if path.is_file() else {}
            path.write_text(json.dumps(there | content))
        if self.change is not None:
            self.change(folder)


def _case(name: str, *makes: Make, **settings: Any) -> WordCase:
    given: Mapping[str, Any] = {"makes": makes} if makes else {}
    return WordCase(f"words: {name}", **given, **settings)


def _in_folder(folder: Path) -> None:
    """As older releases saved it, under older names."""
    (folder / "0_WordEmbeddings").mkdir()
    for name in ("model.safetensors", "whitespacetokenizer_config.json", "wordembedding_config.json"):
        (folder / name).rename(folder / "0_WordEmbeddings" / name)
    path = folder / "0_WordEmbeddings/wordembedding_config.json"
    old = "sentence_transformers.models.tokenizer.WhitespaceTokenizer.WhitespaceTokenizer"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": old}))
    entries = json.loads((folder / "modules.json").read_text())
    entries[0] |= {"path": "0_WordEmbeddings", "type": "sentence_transformers.models.WordEmbeddings"}
    (folder / "modules.json").write_text(json.dumps(entries))


def _without(name: str, key: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        del content[key]
        (folder / name).write_text(json.dumps(content))

    return change


def _shorter_table(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"emb_layer.weight": _TABLE[:-1]}, folder / "model.safetensors")


_TOKENIZER, _CONFIG = "whitespacetokenizer_config.json", "wordembedding_config.json"
#: In the place of some words.
_PHRASED = ["quick_brown_fox", "one~sentence", "takes_,", *WORDS[3:]]
_TOO_FEW = {"vocab": ["a", "b"], "word_weights": {}}

WORD_MODELS = (
    _case("mean"),
    _case("in a folder of its own", change=_in_folder),
    _case("pickled", words(), weights(), step("LSTM", hidden_dim=5), *MEAN, pickled=True,
          grants=("pickles",)),
    _case("pickled without a grant", pickled=True, refused=True),
    _case("in lower case", words(do_lower_case=True, vocab=[word.lower() for word in WORDS]), *MEAN),
    _case("without stop words", words(stop_words=()), step("Pooling"), step("Normalize")),
    _case("of 64 bits", words(table=_TABLE.astype(np.float64)), *MEAN),
    _case("cut", words(max_seq_length=5), *MEAN),
    _case("weighed", words(), weights(), *MEAN),
    _case("weighed below zero", words(), weights(unknown_word_weight=-2.0), step("Pooling", pooling_mode="mean")),
    _case("weighed, every mode", words(), weights(), step("Pooling", pooling_mode=(
        "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"))),
    _case("every mode", words(), step("Pooling", pooling_mode=(
        "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"))),
    _case("convolved", words(), step("CNN", out_channels=7, kernel_sizes=[1, 3, 5, 9]), *MEAN),
    _case("convolved, the largest", words(), step("CNN", out_channels=7), step("Pooling", pooling_mode="max")),
    _case("recurrent", words(), step("LSTM", hidden_dim=9), *MEAN),
    _case("recurrent, in two layers", words(), step("LSTM", hidden_dim=5, num_layers=2, dropout=0.5), *MEAN),
    _case("recurrent, one way", words(), step("LSTM", hidden_dim=9, bidirectional=False),
          step("Pooling", pooling_mode="lasttoken")),
    _case("weighed, convolved, recurrent", words(), weights(), step("CNN", out_channels=6),
          step("LSTM", hidden_dim=5, num_layers=2), step("Pooling"), step("Dense", out_features=8), step("Normalize")),
    _case("a dense layer of words", words(), step("Dense", out_features=6, module_input_name="token_embeddings",
          module_output_name="token_embeddings"), step("LSTM", hidden_dim=4), step("Pooling"), step("LayerNorm")),
    _case("prompt, dimensions", files={_MODEL: {
        "prompts": {"query": "the word:"}, "default_prompt_name": "query", "truncate_dim": 8}}),
    _case("prompt that is not pooled", words(), step("Pooling", include_prompt=False), files={_MODEL: {
        "prompts": {"query": "the Words "}, "default_prompt_name": "query"}}),
    _case("the first token", words(), step("Pooling", pooling_mode="cls"), refused=True),
    _case("without a pooling", words(), refused=True),
    _case("an even kernel", words(), step("CNN", kernel_sizes=[2]), *MEAN, refused=True),
    _case("strides", words(), step("CNN", kernel_sizes=[3], stride_sizes=[2]), *MEAN, refused=True),
    _case("of another width", words(), step("LSTM", hidden_dim=4), step("Pooling"),
          files={"1_LSTM/lstm_config.json": {"embedding_dimension": 8}}, refused=True),
    _case("an unknown key", files={_TOKENIZER: {"strip": True}}, refused=True),
    _case("an unknown tokenizer", files={_CONFIG: {"tokenizer_class": "my.Tokenizer"}}, refused=True),
    _case("no list of stop words", change=_without(_TOKENIZER, "stop_words"), refused=True),
    _case("a table of fewer words", change=_shorter_table, refused=True),
    _case("weights of fewer words", words(), weights(), *MEAN, files={"1_WordWeights/config.json": _TOO_FEW},
          refused=True),
    _case("with phrases", words(tokenizer="PhraseTokenizer", vocab=_PHRASED), weights(), *MEAN),
    _case("with phrases of another form", words(tokenizer="PhraseTokenizer", vocab=_PHRASED, ngram_separator="~",
          max_ngram_length=2), *MEAN),
    _case("with phrases without a separator", words(tokenizer="PhraseTokenizer", vocab=_PHRASED),
          files={"phrasetokenizer_config.json": {"ngram_separator": None}}, refused=True),
    _case("a bag of them", bag()),
    _case("a bag of them, each once", bag(cumulative_term_frequency=False), files={_MODEL: {"truncate_dim": 36}}),
    _case("a bag of them, after it", bag(), step("Dense", out_features=8), step("LayerNorm"), step("Normalize"),
          files={_MODEL: {"prompts": {"query": "the fox "}, "default_prompt_name": "query"}}),
    _case("a bag of them, pickled", bag(), step("Dense", out_features=8), pickled=True, grants=("pickles",)),
    _case("a bag before a pooling", bag(), *MEAN, refused=True),
    _case("a bag of nothing", bag(), files={"0_BoW/config.json": {"vocab": []}}, refused=True),
    _case("a bag of weights that are not finite", bag(unknown_word_weight=1e60), refused=True),
    _case("a bag with an unknown key", bag(), files={"0_BoW/config.json": {"stop_words": []}}, refused=True),
    _case("by a tokenizer of transformers", wrapped(), *MEAN),
    _case("by a tokenizer of transformers, cut", wrapped(max_seq_length=6), step("Pooling", pooling_mode="lasttoken")),
    _case("sparse", sparse(), encoder="SparseEncoder"),
    _case("sparse, byte-level", sparse(tokenizer="byte-level"), encoder="SparseEncoder"),
    _case("sparse, unigram, prompt", sparse(tokenizer="unigram"), encoder="SparseEncoder", files={_MODEL: {
        "prompts": {"query": "the word: "}, "default_prompt_name": "query", "max_active_dims": 3}}),
    _case("sparse, cut by its tokenizer", sparse(tokenizer="words"), encoder="SparseEncoder"),
    _case("sparse, of other weights", sparse(count=12), encoder="SparseEncoder", refused=True),
    _case("sparse, of a list elsewhere", sparse(), encoder="SparseEncoder", files={"config.json": {"path": "idf.json"}},
          refused=True),
    _case("not finite", words(table=np.full_like(_TABLE, np.nan)), *MEAN, refused=True),
)  # fmt: skip
