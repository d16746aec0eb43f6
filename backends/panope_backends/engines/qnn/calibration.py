"""What a graph is run on when it is converted, to see how large its values become.

A model's own examples come first: `calibration.npz` in its folder, for each input an array whose rows are examples.
Else texts are the sentences below, by the model's tokenizer, and numbers are seeded: images vary smoothly, as
photographs do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.engines.qnn.files import Tensor
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

FILE = "calibration.npz"

#: Rows of a file that are used.
MOST_EXAMPLES = 64
#: Of made-up ones.
EXAMPLES = 8

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset my password?",
    "A committee of experts met in Geneva to discuss new rules for artificial intelligence, and agreed on little.",
    "import numpy as np\nprint(np.zeros((3, 4)).sum(axis=0))",
    "She sold 1,204 shares at $45.30 each in 2021, and bought them back a year later at half the price.",
    "no",
    "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung aller staatlichen Gewalt.",
    "Great phone, terrible battery :( would not buy again!!!",
    "The patient was given 5 mg of the drug twice a day and showed no improvement after two weeks; a second doctor"
    + " named a rare disease of the liver, which is treated with another drug altogether." * 2,
    "¿Dónde está la biblioteca? Il fait beau aujourd'hui. 今日は天気がいいですね。",
    "Canberra is the capital of Australia, though Sydney and Melbourne are larger.",
    "f(x) = x^2 + 3x - 4 has the roots 1 and -4",
)


def own_examples(folder: Path, inputs: Sequence[Tensor]) -> list[Arrays]:
    """A call of one row for each row of `calibration.npz`; none where there is no such file.

    Raises:
        PreconditionError: it holds other arrays than the model takes.
    """
    if not (folder / FILE).is_file():
        return []
    try:
        with np.load(folder / FILE, allow_pickle=False) as found:
            arrays = {tensor.name: np.asarray(found[tensor.name], dtype=tensor.dtype) for tensor in inputs}
    except (OSError, ValueError, KeyError) as error:
        names = ", ".join(f"`{tensor.name}`" for tensor in inputs)
        told = f"`{FILE}` does not hold the model's inputs: {names}"
        raise PreconditionError(told, reason="unsupported_model") from error
    rows = min(MOST_EXAMPLES, *(len(array) for array in arrays.values()))
    return [{name: array[row : row + 1] for name, array in arrays.items()} for row in range(rows)]


def texts(folder: Path, inputs: Sequence[Tensor], vocabulary: int, length: int) -> Iterator[Arrays]:
    """Calls of one text each, at most `length` tokens long."""
    for number, ids in enumerate(_tokens(folder, vocabulary, length)):
        told = np.asarray([ids], dtype=np.int64)
        arrays = {"input_ids": told, "attention_mask": np.ones_like(told), "token_type_ids": np.zeros_like(told)}
        if number % 3 == 2 and len(ids) > 4:  # padding is computed too
            arrays["attention_mask"][:, -len(ids) // 3 :] = 0
        yield {tensor.name: arrays[tensor.name] for tensor in inputs}


def numbers(inputs: Sequence[Tensor]) -> Iterator[Arrays]:
    """Seeded calls of one row each."""
    random = np.random.default_rng(0)
    for _ in range(EXAMPLES):
        yield {tensor.name: _number(random, tensor) for tensor in inputs}


def _tokens(folder: Path, vocabulary: int, length: int) -> Iterator[list[int]]:
    file = folder / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_padding()
        tokenizer.enable_truncation(length)
        yield from (tokenizer.encode(sentence).ids for sentence in SENTENCES)
        return
    random = np.random.default_rng(0)
    for number in range(EXAMPLES):
        size = max(1, length * (number + 1) // EXAMPLES)
        yield random.integers(0, vocabulary, size).tolist()


def _number(random: np.random.Generator, tensor: Tensor) -> Array:
    shape = tuple(1 if size < 0 else size for size in tensor.shape)
    kind = np.dtype(tensor.dtype)
    if kind.kind != "f":
        return random.integers(0, 2, shape).astype(kind)
    values = 1.5 * random.standard_normal(shape)  # prepared images reach 2.7; what is larger than all seen is cut off
    for axis in (-1, -2):
        if len(shape) == 4 and shape[axis] >= 8:  # noise alone would look like no image
            values = 0.5 * values + 0.5 * np.cumsum(values, axis) / np.sqrt(shape[axis])
    return np.ascontiguousarray(values.astype(kind))
