"""The keys of the files of sentence-transformers' modules that make vectors of words.

    wordembedding_config.json        `WordEmbeddingsFile`: the tokenizer's class, the longest text
    whitespacetokenizer_config.json  `WordTokenizerFile`: its words and stop words
    phrasetokenizer_config.json      `PhraseTokenizerFile`: its phrases too
    N_WordWeights/config.json        `WordWeightsFile`
    N_BoW/config.json                `BagOfWordsFile`
    config.json                      `SparseStaticFile`, of a SparseStaticEmbedding
    N_CNN/cnn_config.json            `CnnFile`
    N_LSTM/lstm_config.json          `LstmFile`

As of `sentence_files`, a key that is missing here is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import Meta, Struct, field
from msgspec.structs import fields

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.sentence_files import Positive
from panope_backends.tasks.json_files import read_json, shown, typed

T = TypeVar("T", bound=Struct)

#: The classes of tokenizers that are run, by their own names, and the file of each.
_PHRASES = "phrasetokenizer_config.json"
_TOKENIZERS = {"WhitespaceTokenizer": "whitespacetokenizer_config.json", "PhraseTokenizer": _PHRASES}

#: The class that wraps a tokenizer of transformers, whose own files are beside it.
_OF_TRANSFORMERS = "TransformersTokenizerWrapper"

#: More layers, or sizes of what is looked at together, than any model has.
_MOST_LAYERS = 64

#: Of a word; a text may have a million, and the square of their sum must fit into a float32 (3.4e38).
_MOST_WEIGHT = 10**12

Share = Annotated[float, Meta(ge=0, le=1)]
Kernels = Annotated[list[Positive], Meta(min_length=1, max_length=_MOST_LAYERS)]
Layers = Annotated[int, Meta(ge=1, le=_MOST_LAYERS)]


class WordEmbeddingsFile(Struct):
    """How texts become words; `update_embeddings` is of training alone."""

    tokenizer_class: str = ""
    max_seq_length: Positive = 1_000_000
    update_embeddings: bool = False


class WordTokenizerFile(Struct):
    """Words in the order of their ids, and those that are left out of texts."""

    vocab: list[str] = []
    stop_words: list[str] | None = None
    do_lower_case: bool = False


class PhraseTokenizerFile(WordTokenizerFile):
    """Which of the words are phrases: those in which a separator joins several."""

    ngram_separator: Annotated[str, Meta(min_length=1)] = "_"
    max_ngram_length: Positive = 5


class WordWeightsFile(Struct):
    """What the vectors of words are multiplied by."""

    vocab: list[str] = []
    word_weights: dict[str, float] = {}
    unknown_word_weight: float = 1


class BagOfWordsFile(WordWeightsFile):
    """The words that a text's vector has places for, and whether a word that comes twice weighs twice."""

    cumulative_term_frequency: bool = True


class SparseStaticFile(Struct):
    """Nothing that has an effect: `frozen` is of training alone."""

    frozen: bool = False


class CnnFile(Struct):
    """Convolutions over the words of a text, side by side."""

    in_embedding_dimension: Positive | None = None
    in_word_embedding_dimension: Positive | None = None
    out_channels: Positive = 256
    kernel_sizes: Annotated[list[Positive], Meta(min_length=1, max_length=_MOST_LAYERS)] = field(
        default_factory=lambda: [1, 3, 5]
    )
    stride_sizes: list[Positive] | None = None


class LstmFile(Struct):
    """A recurrent network over the words of a text; `dropout` is of training alone."""

    embedding_dimension: Positive | None = None
    word_embedding_dimension: Positive | None = None
    hidden_dim: Positive | None = None
    num_layers: Layers = 1
    dropout: Share = 0
    bidirectional: bool = True


@dataclass(frozen=True)
class WordsFile:
    """Where the words of a model are listed.

    Attributes:
        path: of the file.
        max_tokens: of a text, prompt included; what is longer is cut at its end. None for any.
    """

    path: Path
    max_tokens: int | None = None

    def read(self) -> WordTokenizerFile:
        """The words.

        Raises:
            PreconditionError: the file is broken, or does not list what it must; the message names the key.
        """
        if self.path.name not in _TOKENIZERS.values():
            return WordTokenizerFile(read_bag_of_words(self.path.parent).vocab, [])
        kind = PhraseTokenizerFile if self.path.name == _PHRASES else WordTokenizerFile
        file = _read(self.path, kind, self.path.name)
        if not file.vocab:
            raise PreconditionError(f"{self.path.name} lists no words in `vocab`")
        if file.stop_words is None:  # then sentence-transformers takes its own English list
            raise PreconditionError(f"{self.path.name} has no `stop_words`; an empty list leaves out none")
        return file


def read_word_embeddings(folder: Path) -> WordsFile | int:
    """What a module WordEmbeddings says of texts: its list of words, or of a tokenizer of transformers the longest one.

    Raises:
        PreconditionError: a file is missing, or asks for what Panope cannot do; the message names it.
    """
    name = "wordembedding_config.json"
    file = _read(folder / name, WordEmbeddingsFile, name)
    package, _, kind = file.tokenizer_class.rpartition(".")
    # Releases have moved these classes between submodules; their own names stay.
    is_library = package.startswith("sentence_transformers.")
    if is_library and kind == _OF_TRANSFORMERS:
        return file.max_seq_length
    if not is_library or kind not in _TOKENIZERS:
        known = ", ".join((*_TOKENIZERS, _OF_TRANSFORMERS))
        raise PreconditionError(f"{name} asks for the tokenizer `{shown(file.tokenizer_class)}`; Panope runs {known}")
    return WordsFile(folder / _TOKENIZERS[kind], file.max_seq_length)


def read_word_weights(folder: Path) -> WordWeightsFile:
    """The weights of words, and the words in the order of their ids.

    Raises:
        PreconditionError: the file is broken, or lists no words.
    """
    name = f"{folder.name}/config.json"
    file = _read(folder / "config.json", WordWeightsFile, name)
    if not file.vocab:
        raise PreconditionError(f"{name} lists no words in `vocab`")
    _check_weights(file, name)
    return file


def read_bag_of_words(folder: Path) -> BagOfWordsFile:
    """The words, each once, and their weights.

    Raises:
        PreconditionError: the file is broken, or lists no words.
    """
    name = f"{folder.name}/config.json"
    file = _read(folder / "config.json", BagOfWordsFile, name)
    if not file.vocab:
        raise PreconditionError(f"{name} lists no words in `vocab`")
    _check_weights(file, name)
    file.vocab = list(dict.fromkeys(file.vocab))
    return file


def _check_weights(file: WordWeightsFile, name: str) -> None:
    """Sums of the weights of a text's words must be finite in float32, and the squares of these."""
    if not abs(file.unknown_word_weight) <= _MOST_WEIGHT:  # which no number is that is none
        raise PreconditionError(f"{name} sets `unknown_word_weight` beyond {_MOST_WEIGHT:,}, whose sums are not finite")
    beyond = next((word for word, weight in file.word_weights.items() if not abs(weight) <= _MOST_WEIGHT), None)
    if beyond is not None:
        raise PreconditionError(
            f"{name} has a weight beyond {_MOST_WEIGHT:,} for `{shown(beyond)}` in `word_weights`, whose sums are not "
            "finite"
        )


def read_cnn(folder: Path) -> CnnFile:
    """The convolutions.

    Raises:
        PreconditionError: one would give another number of vectors than a text has words, which then depend on the
            texts beside it.
    """
    name = f"{folder.name}/cnn_config.json"
    file = _read(folder / "cnn_config.json", CnnFile, name, older="in_word_embedding_dimension")
    if file.in_embedding_dimension is None:
        raise PreconditionError(f"{name} has no `in_embedding_dimension`")
    strides = file.stride_sizes or [1] * len(file.kernel_sizes)
    if any(size % 2 == 0 for size in file.kernel_sizes):
        raise PreconditionError(f"{name} has an even number in `kernel_sizes`; Panope runs odd ones")
    if strides != [1] * len(file.kernel_sizes):
        raise PreconditionError(f"{name} has `stride_sizes` of `{shown(strides)}`; Panope runs a 1 for each kernel")
    return file


def read_lstm(folder: Path) -> LstmFile:
    """The recurrent network.

    Raises:
        PreconditionError: the file is broken, or does not say how large it is.
    """
    name = f"{folder.name}/lstm_config.json"
    file = _read(folder / "lstm_config.json", LstmFile, name, older="word_embedding_dimension")
    for key in ("embedding_dimension", "hidden_dim"):
        if getattr(file, key) is None:
            raise PreconditionError(f"{name} has no `{key}`")
    return file


def _read(path: Path, kind: type[T], name: str, *, older: str = "") -> T:
    """A module's file.

    Args:
        path: of the file.
        kind: its keys.
        name: of the file, for messages.
        older: the name that the width of words had; as in the library, the newer counts where both are there.

    Raises:
        PreconditionError: a key is unknown, or has a value of another type; null is one, but where it is the default.
    """
    content = read_json(path, name=name)
    newer = older.replace("word_", "")
    if older in content and newer not in content:
        content[newer] = content.pop(older)
    usual = {each.encode_name: each.default for each in fields(kind)}
    if wrong := next((key for key in content if content[key] is None and usual.get(key) is not None), None):
        raise PreconditionError(f"{name} has a value of the wrong type for `{shown(wrong)}`")
    return typed(content, kind, name)
