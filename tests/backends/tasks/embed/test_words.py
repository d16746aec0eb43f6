"""Models of words, without a transformer: their tokenizer, texts of no word, limits, and what their files must fit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from panope.worker.v1 import embed_pb2, tokenize_pb2
from panope_backends.api import Backend, Device, LoadOptions, ModelFacts, TensorModel
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.qnn.backend import QnnBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.files.word_files import (
    PhraseTokenizerFile,
    WordTokenizerFile,
    read_bag_of_words,
    read_word_weights,
)
from panope_backends.tasks.embed.tokenizers.phrase_tokenizer import PhraseTokenizer
from panope_backends.tasks.embed.tokenizers.word_tokenizer import WordTokenizer
from panope_backends.testing.serving import answer_of, served
from panope_backends.worker.loading import ServedModel

WORDS = ["PADDING_TOKEN", "fox", "Fox", "quick", "don't", "st", "_", "ς", "i̇", "100", "the-fox"]
STOPS = ["the", "a", "-"]
KINDS = {"CNN": "cnn.CNN", "WordWeights": "word_weights.WordWeights"}
TYPE = "sentence_transformers.sentence_transformer.modules."
TABLE = np.random.default_rng(1).standard_normal((len(WORDS), 6), dtype=np.float32)

pieces = st.sampled_from([*WORDS, *STOPS, "FOX", "QuIcK", "Σ", "ΑΣ", "İ", "!", '"', "'", "-", "…", "x"])
blanks = st.sampled_from([" ", "\t", "\n", "\x1c", "\x85", "\xa0", "\u2003", "\u200b", ""])
texts = st.lists(st.tuples(pieces, blanks)).map(lambda pairs: "".join(a + b for a, b in pairs))


def library(**settings: Any) -> Any:
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    return WhitespaceTokenizer(WORDS, STOPS, **settings)


@given(text=texts, lower=st.booleans())
def test_ids_are_those_of_the_library(text: str, lower: bool) -> None:
    ours = WordTokenizer(WordTokenizerFile(WORDS, STOPS, lower))
    assert ours.encode([text]) == [library(do_lower_case=lower).tokenize(text)]


PHRASES = [
    "",
    "New",
    "York",
    "New_York",
    "new_york_city",
    "City",
    "a_b",
    "b_a_b",
    "x__y",
    "don",
    "n't",
    "st.",
    "``",
    "_",
    "fox",
]

marks = st.sampled_from(["New", "york", "York", "City", "a", "b", "x", '"', "``", "''", "'", "don't", "St.", ".", "…"])
seams = st.sampled_from([" ", "", "  ", "\n", "\xa0", "(", "--", ","])
lines = st.lists(st.tuples(marks, seams)).map(lambda pairs: "".join(a + b for a, b in pairs))


@given(text=lines)
def test_ids_of_phrases_are_those_of_the_library(text: str) -> None:
    from sentence_transformers.sentence_transformer.modules.tokenizer import PhraseTokenizer as Library

    ours = PhraseTokenizer(PhraseTokenizerFile(PHRASES, STOPS))
    assert ours.encode([text]) == [Library(PHRASES, STOPS).tokenize(text)]
    for word in ours.found(text):
        told = PHRASES[word.id].replace("_", "")
        stood = "".join(text[word.start : word.end].split())
        assert told == "``" or told.lower() in stood.lower()


def test_a_phrase_is_one_word_with_its_place() -> None:
    tokenizer = PhraseTokenizer(PhraseTokenizerFile(PHRASES, STOPS))
    text = '"New  York City" isn\'t a New York'
    (told,) = tokenizer.tokenize(tokenize_pb2.TokenizeInput(texts=[text])).texts
    assert list(told.tokens) == ["``", "new_york_city", "n't", "New_York"]
    places = [text[start:end] for start, end in zip(told.starts, told.ends, strict=True)]
    assert places == ['"', "New  York City", "n't", "New York"]


def test_phrases_without_nltk_are_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.tokenize.destructive", None)
    with pytest.raises(PreconditionError, match=r"panope-serving\[phrases\]"):
        PhraseTokenizer(PhraseTokenizerFile(PHRASES, STOPS))


def test_a_word_is_told_with_its_place_and_without_the_punctuation_around_it() -> None:
    tokenizer = WordTokenizer(WordTokenizerFile(WORDS, STOPS))
    text = "the  «x» (QUICK), the-fox don't"
    (told,) = tokenizer.tokenize(tokenize_pb2.TokenizeInput(texts=[text])).texts
    assert list(told.tokens) == ["quick", "the-fox", "don't"]
    assert [text[start:end] for start, end in zip(told.starts, told.ends, strict=True)] == ["QUICK", "the-fox", "don't"]
    assert not any(told.special)
    joined = tokenize_pb2.DetokenizeInput()
    joined.token_sequences.add(ids=told.ids)
    assert list(tokenizer.detokenize(joined).texts) == ["quick the-fox don't"]
    joined.token_sequences.add(ids=[len(WORDS)])
    with pytest.raises(InvalidInputError, match="the model's vocabulary ends at 10"):
        tokenizer.detokenize(joined)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of words, whose means are taken."""
    return write(tmp_path)


def write(folder: Path, table: Any = TABLE, limit: int = 8, modes: Sequence[str] = ("mean",), **steps: Any) -> Path:
    folder.mkdir(exist_ok=True)
    entries = [("", "word_embeddings.WordEmbeddings")]
    for name, (config, weights) in steps.items():
        place = folder / f"{len(entries)}_{name}"
        place.mkdir()
        (place / ("config.json" if name == "WordWeights" else f"{name.lower()}_config.json")).write_text(
            json.dumps(config)
        )
        if weights:
            save_file(weights, place / "model.safetensors")
        entries.append((place.name, KINDS[name]))
    pooling = folder / f"{len(entries)}_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text(json.dumps({"pooling_mode": list(modes), "embedding_dimension": 6}))
    entries.append((pooling.name, "pooling.Pooling"))
    listed = [{"idx": n, "name": str(n), "path": path, "type": TYPE + kind} for n, (path, kind) in enumerate(entries)]
    (folder / "modules.json").write_text(json.dumps(listed))
    kind = f"{TYPE}tokenizer.whitespace.WhitespaceTokenizer"
    (folder / "wordembedding_config.json").write_text(json.dumps({"tokenizer_class": kind, "max_seq_length": limit}))
    (folder / "whitespacetokenizer_config.json").write_text(json.dumps({"vocab": WORDS, "stop_words": STOPS}))
    save_file({"emb_layer.weight": table}, folder / "model.safetensors")
    return folder


def loaded(folder: Path, **settings: Any) -> ServedModel:
    return served(folder, **{"max_batch_tokens": 64, "max_batch_size": 8, **settings})


def embed(model: ServedModel, *given: str, **fields: Any) -> embed_pb2.EmbedOutput:
    work = embed_pb2.EmbedInput(texts=given, **{"truncation": "refuse", **fields})
    return embed_pb2.EmbedOutput.FromString(answer_of(model, "embed", work))


def vectors(answer: embed_pb2.EmbedOutput) -> np.ndarray:
    return np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.dimensions)


def of_library(folder: Path, given: Sequence[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    found: np.ndarray = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(
        list(given), batch_size=1
    )
    return found


def test_a_text_of_no_known_word_has_the_librarys_zeros_and_no_tokens(folder: Path) -> None:
    given = ["fox quick", "", "the a", "unheard of", "fox"]
    answer = embed(loaded(folder), *given)
    assert list(answer.token_counts) == [2, 0, 0, 0, 1]
    np.testing.assert_allclose(vectors(answer), of_library(folder, given), atol=1e-6)
    assert not vectors(answer)[1:4].any()


def test_the_last_of_no_words_is_zeros_too(tmp_path: Path) -> None:
    folder = write(tmp_path, modes=("lasttoken", "weightedmean", "mean_sqrt_len_tokens"))
    given = ["fox quick", "the"]
    np.testing.assert_allclose(vectors(embed(loaded(folder), *given)), of_library(folder, given), atol=1e-6)


def test_the_largest_values_of_no_word_are_refused_by_name(tmp_path: Path) -> None:
    model = loaded(write(tmp_path, modes=("max",)))
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has no tokens"):
        embed(model, "fox", "the")


@pytest.mark.parametrize("adds", [True, False])
def test_a_bag_of_words_counts_them_and_knows_no_stop_words(tmp_path: Path, adds: bool) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW

    bag = BoW(["the", "fox", "Fox", "dog"], {"fox": 0.3, "the": 2}, 0.7, adds)
    SentenceTransformer(modules=[bag], device="cpu").save(str(tmp_path), create_model_card=False)
    model, given = loaded(tmp_path), ["the fox, the Fox the fox", "unheard of", "dog"]
    answer = embed(model, *given)
    np.testing.assert_allclose(vectors(answer), of_library(tmp_path, given), rtol=1e-6)
    assert list(answer.token_counts) == [6, 0, 1]
    assert embed_pb2.EmbedFacts.FromString(model.ready.facts).pooling == ("sum" if adds else "presence")
    with pytest.raises(InvalidInputError, match="has 65 tokens; the model takes at most 64"):
        embed(model, "fox " * 65)


@pytest.mark.parametrize("weight", [3e38, -3e38, 1e300, float("inf"), float("nan")])
@pytest.mark.parametrize("kind", ["a word", "all others"])
def test_weights_of_words_whose_sums_are_not_finite_are_refused_by_name(
    tmp_path: Path, weight: float, kind: str
) -> None:
    weights = {"word_weights": {"fox": weight}} if kind == "a word" else {"unknown_word_weight": weight}
    (tmp_path / "config.json").write_text(json.dumps({"vocab": ["fox"], **weights}))
    for read in (read_bag_of_words, read_word_weights):
        with pytest.raises(PreconditionError, match=rf"config\.json .*`{'fox' if kind == 'a word' else 'unknown_'}"):
            read(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"vocab": ["fox"], "word_weights": {"fox": 1e12}}))
    assert read_bag_of_words(tmp_path).word_weights == {"fox": 1e12}


def test_a_text_of_no_token_has_no_sparse_values(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"fox": 0, "dog": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="?", unk_token="?", model_max_length=4)
    module = SparseStaticEmbedding(tokenizer, torch.tensor([0.5, -2, 0.25]))
    SparseEncoder(modules=[module], device="cpu").save(str(tmp_path), create_model_card=False)
    answer = embed(loaded(tmp_path), "dog fox dog", " ", "a fox")
    assert list(answer.sparse_counts) == [2, 0, 2]
    assert list(zip(answer.sparse_indices, answer.sparse_values, strict=True)) == [
        (0, 0.5),
        (1, -2),
        (0, 0.5),
        (2, 0.25),
    ]
    assert list(answer.token_counts) == [3, 0, 2]
    with pytest.raises(InvalidInputError, match="at most 4"):
        embed(loaded(tmp_path), "dog fox dog fox dog")


def test_a_text_of_no_token_has_zeros_by_a_table_of_tokens_too(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"fox": 0, "dog": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    module = StaticEmbedding(made, embedding_weights=TABLE[:3])
    SentenceTransformer(modules=[module], device="cpu").save(str(tmp_path), create_model_card=False)
    given = ["dog fox", " ", "a fox"]
    answer = embed(loaded(tmp_path), *given)
    np.testing.assert_allclose(vectors(answer), of_library(tmp_path, given), atol=1e-6)
    assert list(answer.token_counts) == [2, 0, 2]


def test_a_longer_text_is_refused_with_the_limit_or_cut_as_asked(folder: Path) -> None:
    model = loaded(folder)
    long = "fox " * 5 + "quick " * 5
    with pytest.raises(InvalidInputError, match=r"`texts\[0\]` has 10 tokens; the model takes at most 8"):
        embed(model, long)
    cut = embed(model, long, truncation="end")
    assert (list(cut.token_counts), list(cut.truncated_indices)) == ([8], [0])
    np.testing.assert_allclose(vectors(cut), of_library(folder, [long]), atol=1e-6)
    from_end = (3 * TABLE[1] + 5 * TABLE[3]) / 8
    np.testing.assert_allclose(vectors(embed(model, long, truncation="start"))[0], from_end, atol=1e-6)


@pytest.mark.parametrize("truncation", ["refuse", "end"])
def test_a_text_that_words_would_be_looked_for_in_for_seconds_is_refused_unread(
    folder: Path, monkeypatch: pytest.MonkeyPatch, truncation: str
) -> None:
    model = loaded(write(folder / "long", limit=1_000_000), max_batch_tokens=16_384)
    seen: list[int] = []
    found = WordTokenizer.encode
    monkeypatch.setattr(
        WordTokenizer, "encode", lambda self, texts: [seen.append(sum(map(len, texts))), found(self, texts)][1]
    )
    text = "unheard " * 40_000
    with pytest.raises(InvalidInputError, match=r"`texts\[0\]` has 320,000 characters; .* the model takes 262,144"):
        embed(model, text, truncation=truncation)
    with pytest.raises(InvalidInputError, match="the model takes 262,144"):
        model.requests["tokenize"](tokenize_pb2.TokenizeInput(texts=[text]).SerializeToString())
    assert max(seen, default=0) <= 262_144


def test_the_librarys_limit_of_a_million_words_is_a_batchs(tmp_path: Path) -> None:
    model = loaded(write(tmp_path, limit=1_000_000))
    assert embed_pb2.EmbedFacts.FromString(model.ready.facts).max_tokens == 64


def test_token_ids_past_the_table_are_refused(folder: Path) -> None:
    job = embed_pb2.EmbedInput(truncation="refuse")
    job.token_sequences.add(ids=[1, len(WORDS)])
    with pytest.raises(InvalidInputError, match=f"the id {len(WORDS)}; the model's vocabulary ends at 10"):
        loaded(folder).requests["embed"](job.SerializeToString())


def test_padding_of_any_value_changes_no_text_beside_another(tmp_path: Path) -> None:
    """sentence-transformers' own answers change with the texts beside one where the first row is not zeros."""
    weights = {"convs.0.weight": (3, 6, 3), "convs.0.bias": (3,)}
    made = {name: np.random.default_rng(2).standard_normal(shape, np.float32) for name, shape in weights.items()}
    config = {"in_embedding_dimension": 6, "out_channels": 3, "kernel_sizes": [3]}
    folder = write(tmp_path, CNN=(config, made))
    given = ["fox", "quick fox quick fox fox", "Fox don't"]
    np.testing.assert_allclose(vectors(embed(loaded(folder), *given)), of_library(folder, given), atol=1e-5)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (TABLE[:-2], "lists 11 words, and the module WordEmbeddings has 9"),
        (TABLE[0], "have no table `emb_layer.weight`"),
        (TABLE.astype(np.int32), "`emb_layer.weight` of a WordEmbeddings module has the type I32"),
        (np.full_like(TABLE, np.inf), "`emb_layer.weight` of a WordEmbeddings module holds values that are not finite"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(tmp_path: Path, table: Any, told: str) -> None:
    with pytest.raises(PreconditionError, match=told):
        loaded(write(tmp_path, table))


@pytest.mark.parametrize("kind", ["WordEmbeddings", "BoW", "SparseStaticEmbedding"])
@pytest.mark.parametrize("backend", [OpenVinoBackend(), QnnBackend()])
def test_other_engines_make_no_format_of_a_table(kind: str, backend: Backend) -> None:
    here = Device(backend.name, "CPU", available=True)
    support = backend.supports(ModelFacts("v/words", "safetensors", "embed", kind), here)
    assert (support.level.name, support.is_final) == ("NONE", True)
    assert "by the backend `cpu` alone" in support.reason


def test_the_backend_cpu_tells_what_tables_it_looks_up_and_checks_ids(folder: Path) -> None:
    facts = ModelFacts("v/words", "safetensors", "embed", "WordEmbeddings", grants=())
    backend = CpuBackend()
    (device,) = backend.devices()
    assert backend.supports(facts, device).level.name == "FULL"
    assert "safetensors" in backend.supports(ModelFacts("v/w", "onnx", "embed", "WordEmbeddings"), device).reason
    pickled = backend.supports(ModelFacts("v/w", "pytorch", "embed", "WordEmbeddings"), device)
    assert (pickled.level.name, "grants.pickles" in pickled.reason) == ("NONE", True)
    model = backend.load(facts, folder, "CPU", LoadOptions())
    assert isinstance(model, TensorModel)
    with pytest.raises(InvalidInputError, match="out of range"):
        model.run({"input_ids": np.array([[len(WORDS)]])})


def test_no_tensor_library_is_imported(folder: Path) -> None:
    told = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import test_words as t;"
        "print(t.vectors(t.embed(t.loaded(Path(sys.argv[1])), 'fox')).shape, 'torch' in sys.modules,"
        "'transformers' in sys.modules, 'openvino' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", told, str(folder), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "(1, 6) False False False"
