"""sentence-transformers' SparseAutoEncoder: a text's vector as few values of many, in float32.

The algorithm is that of CSR (Wen et al., 2025, "Beyond Matryoshka: Revisiting Sparse Coding for Adaptive
Representation"): the largest k latents of a linear layer, without those below 0. Which are the largest, the answer
decides (`SparseJob`): the values here are all that are not below 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.sentence_files import AutoEncoderFile
from panope_backends.tasks.embed.step_weights import require_width

Floats = NDArray[np.float32]

OF_TRAINING = ("stats_last_nonzero",)
"""The tensor that says when each latent was last used."""

#: The names of one tensor, which the library saves under either.
_MATRICES = ("encoder.weight", "decoder.linear.weight")

#: As the library's `LN`.
_LEAST_DEVIATION = np.float32(1e-5)


def auto_encoder(file: AutoEncoderFile, weights: Mapping[str, Floats], folder: str) -> Callable[[Floats], Floats]:
    """The step from dense vectors to latents.

    Args:
        file: the module's config.json.
        weights: its tensors.
        folder: its name, for messages.

    Raises:
        PreconditionError: a tensor is missing, or not of the size that the file says.
    """
    name = next((each for each in _MATRICES if each in weights), _MATRICES[0])
    if not all(np.array_equal(weights[name], weights[each]) for each in _MATRICES if each in weights):
        raise PreconditionError(f"{' and '.join(_MATRICES)} in {folder} differ, which are one tensor")
    shapes = {
        name: (file.hidden_dim, file.input_dim),
        "pre_bias": (file.input_dim,),
        "latent_bias": (file.hidden_dim,),
    }
    for tensor, shape in shapes.items():
        if tensor not in weights:
            raise PreconditionError(f"the weights of a SparseAutoEncoder module have no `{tensor}`")
        if weights[tensor].shape != shape:
            listed = " × ".join(f"{size:,}" for size in shape)
            raise PreconditionError(f"`{tensor}` in {folder} is not of {listed} values, as config.json has it")
    matrix = np.ascontiguousarray(weights[name].T)
    before, bias = weights["pre_bias"], weights["latent_bias"]

    def step(vectors: Floats) -> Floats:
        require_width(vectors, file.input_dim, folder)
        prepared = _standardized(vectors) if file.normalize else vectors
        latents: Floats = np.maximum((prepared - before) @ matrix + bias, np.float32(0))
        return latents

    return step


def _standardized(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    deviations = centred.std(axis=-1, ddof=1, keepdims=True)  # as torch has it
    scaled: Floats = centred / (deviations + _LEAST_DEVIATION)
    return scaled
