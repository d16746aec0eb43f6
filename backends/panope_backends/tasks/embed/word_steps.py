"""What sentence-transformers' WordWeights, CNN and LSTM make of the vectors of a text's words, in float32, by NumPy.

They see the words' ids and which places hold words; padding counts as zeros and changes nothing, so that a text's
vectors are those that sentence-transformers gives it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.word_weights import word_weights
from panope_backends.tasks.embed.files.modules_file import HeadStep
from panope_backends.tasks.embed.files.word_files import (
    CnnFile,
    LstmFile,
    WordWeightsFile,
    read_cnn,
    read_lstm,
    read_word_weights,
)
from panope_backends.tasks.embed.step_weights import read_step_weights, require_width

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]


@dataclass
class Words:
    """The words of a batch's texts.

    Attributes:
        ids: texts × words.
        attended: likewise; 1 for words of the text, 0 for padding.
        weight_sums: of the weights of each text's words, by which means of them are divided; None for their number.
    """

    ids: NDArray[Any]
    attended: Floats
    weight_sums: Floats | None = None


WordStep = Callable[[Floats, Words], Floats]


def check_word_step(step: HeadStep) -> None:
    """Checks what the step's file says.

    Raises:
        PreconditionError: it asks for what Panope cannot do.
    """
    _READERS[step.kind](step.folder)


def load_word_step(step: HeadStep, *, pickles: bool = False) -> WordStep:
    """Loads a step.

    Args:
        step: of `WORD_STEPS`.
        pickles: whether an admin lets pickled weights be opened.

    Raises:
        PreconditionError: it asks for what Panope cannot do, or its weights are missing or are not its own.
    """
    file, folder = _READERS[step.kind](step.folder), step.folder.name
    if isinstance(file, WordWeightsFile):  # whose file holds them; what training wrote beside it, nobody reads
        return WordWeightsStep(file, folder)
    weights = read_step_weights(step.folder, step.kind, pickles=pickles)
    return _convolved(file, weights, folder) if isinstance(file, CnnFile) else _recurrent(file, weights, folder)


class WordWeightsStep:
    """Multiplies each word's vector by the word's weight.

    Attributes:
        vocabulary: how many words it has weights for.

    Raises:
        PreconditionError: a weight is not finite.
    """

    def __init__(self, file: WordWeightsFile, folder: str) -> None:
        name = f"{folder}/config.json"
        self._weights = word_weights(file.vocab, file.word_weights, file.unknown_word_weight, name)
        self.vocabulary = len(self._weights)

    def __call__(self, vectors: Floats, words: Words) -> Floats:
        """The vectors; means of them are divided by their weights."""
        of_words = self._weights[words.ids] * words.attended
        words.weight_sums = of_words.sum(axis=1, keepdims=True)
        weighted: Floats = vectors * of_words[:, :, None]
        return weighted


def _convolved(file: CnnFile, weights: Weights, folder: str) -> WordStep:
    width = int(file.in_embedding_dimension or 0)
    shapes: dict[str, tuple[int, ...]] = {}
    for index, size in enumerate(file.kernel_sizes):
        shapes |= {f"convs.{index}.weight": (file.out_channels, width, size)}
        shapes |= {f"convs.{index}.bias": (file.out_channels,)}
    _require_shapes(weights, shapes, "CNN", folder)
    # Of each convolution a matrix for every place that it looks at.
    kernels = [np.ascontiguousarray(weights[f"convs.{at}.weight"].transpose(2, 1, 0)) for at in range(len(shapes) // 2)]
    biases = [weights[f"convs.{at}.bias"] for at in range(len(kernels))]

    def step(vectors: Floats, words: Words) -> Floats:
        require_width(vectors, width, folder)
        seen = vectors * words.attended[:, :, None]
        return np.concatenate([_convolve(seen, *pair) for pair in zip(kernels, biases, strict=True)], axis=2)

    return step


def _convolve(vectors: Floats, kernel: Floats, bias: Floats) -> Floats:
    """A convolution with as many vectors as there are words, as torch.nn.Conv1d pads for it.

    Args:
        vectors: texts × words × values.
        kernel: places × values × channels, of an odd number of places.
        bias: of channels.
    """
    reach, length = len(kernel) // 2, vectors.shape[1]
    result: Floats = np.broadcast_to(bias, (*vectors.shape[:2], len(bias))).copy()
    for place, matrix in enumerate(kernel):
        offset = place - reach  # of the word that is looked at, from the one that gets the result
        to, end = max(0, -offset), length - max(0, offset)
        if to < end:
            result[:, to:end] += vectors[:, to + offset : end + offset] @ matrix
    return result


def _recurrent(file: LstmFile, weights: Weights, folder: str) -> WordStep:
    width, hidden = int(file.embedding_dimension or 0), int(file.hidden_dim or 0)
    ways = ("", "_reverse") if file.bidirectional else ("",)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(file.num_layers):
        for way in ways:
            place = f"l{layer}{way}"
            shapes |= {f"encoder.weight_ih_{place}": (4 * hidden, hidden * len(ways) if layer else width)}
            shapes |= {f"encoder.weight_hh_{place}": (4 * hidden, hidden)}
            shapes |= {f"encoder.bias_{part}_{place}": (4 * hidden,) for part in ("ih", "hh")}
    _require_shapes(weights, shapes, "LSTM", folder)
    layers = [[_Cell(weights, f"l{layer}{way}") for way in ways] for layer in range(file.num_layers)]

    def step(vectors: Floats, words: Words) -> Floats:
        require_width(vectors, width, folder)
        for cells in layers:
            vectors = np.concatenate(
                [cell.run(vectors, words.attended, back=bool(at)) for at, cell in enumerate(cells)], axis=2
            )
        return vectors

    return step


class _Cell:
    """One layer in one direction (Hochreiter and Schmidhuber, 1997, as torch.nn.LSTM computes it)."""

    def __init__(self, weights: Weights, place: str) -> None:
        self._of_words = np.ascontiguousarray(weights[f"encoder.weight_ih_{place}"].T)
        self._of_state = np.ascontiguousarray(weights[f"encoder.weight_hh_{place}"].T)
        self._bias = weights[f"encoder.bias_ih_{place}"] + weights[f"encoder.bias_hh_{place}"]

    def run(self, vectors: Floats, attended: Floats, *, back: bool) -> Floats:
        """The state after each word, texts × words × hidden; padding leaves it as it is and has zeros."""
        texts, length, _ = vectors.shape
        given = vectors @ self._of_words + self._bias
        state = np.zeros((texts, len(self._of_state)), np.float32)
        cell = np.zeros_like(state)
        states = np.zeros((texts, length, state.shape[1]), np.float32)
        for at in reversed(range(length)) if back else range(length):
            enters, forgets, new, leaves = np.split(given[:, at] + state @ self._of_state, 4, axis=1)
            present = attended[:, at, None] > 0
            cell = np.where(present, _sigmoid(forgets) * cell + _sigmoid(enters) * np.tanh(new), cell)
            state = np.where(present, _sigmoid(leaves) * np.tanh(cell), state)
            states[:, at] = np.where(present, state, 0)
        return states


def _sigmoid(values: Floats) -> Floats:
    # By the tangent, which no value is too large for.
    result: Floats = np.float32(0.5) * np.tanh(np.float32(0.5) * values) + np.float32(0.5)
    return result


def _require_shapes(weights: Weights, shapes: Mapping[str, tuple[int, ...]], kind: str, folder: str) -> None:
    """Each tensor that the file tells of, and none besides."""
    if missing := sorted(set(shapes) - set(weights)):
        raise PreconditionError(f"the weights of a {kind} module have no `{missing[0]}`")
    if unknown := sorted(set(weights) - set(shapes)):
        raise PreconditionError(f"`{unknown[0][:80]}` in {folder} is no weight of a {kind} as its file describes it")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            told = " × ".join(f"{size:,}" for size in shape)
            raise PreconditionError(f"`{name}` in {folder} is not of {told} values, as its file has it")


_READERS: Mapping[str, Callable[[Any], WordWeightsFile | CnnFile | LstmFile]] = {
    "WordWeights": read_word_weights,
    "CNN": read_cnn,
    "LSTM": read_lstm,
}

WORD_STEPS = frozenset(_READERS)
"""The modules, by their names."""
