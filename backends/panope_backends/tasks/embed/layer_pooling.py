"""WeightedLayerPooling: the vectors of tokens are a weighted mean of those that a transformer's layers give.

Engines compute it beside the layers, whose vectors would else all be handed over; they are told the weights as
`ModelFacts.head`.
"""

from __future__ import annotations

import numpy as np

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.text_graphs import LAYERS_HEAD
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.files.modules_file import HeadStep
from panope_backends.tasks.embed.files.sentence_files import LayerPoolingFile
from panope_backends.tasks.embed.step_weights import read_step_weights
from panope_backends.tasks.json_files import read_json, typed

_WEIGHTS = "layer_weights"


def model_head(files: EmbedFiles, *, pickles: bool = False) -> str:
    """What engines are told to compute of a model's outputs, as `ModelFacts.head` has it.

    Args:
        files: what the model's folder says.
        pickles: whether an admin lets pickled weights be opened.

    Raises:
        PreconditionError: as `layer_weights`.
    """
    if files.layers is None:
        return files.model_head
    return LAYERS_HEAD + ",".join(f"{weight:.9g}" for weight in layer_weights(files.layers, pickles=pickles))


def layer_weights(step: HeadStep, *, pickles: bool = False) -> tuple[float, ...]:
    """What the vectors of the embeddings, and of each layer after them, count; their sum is 1.

    Args:
        step: the module.
        pickles: as of `model_head`.

    Raises:
        PreconditionError: its files are missing, do not fit each other, or have weights that are no mean.
    """
    file, name = read_layer_pooling(step), step.folder.name
    found = read_step_weights(step.folder, step.kind, pickles=pickles).get(_WEIGHTS)
    layers = file.num_hidden_layers + 1 - file.layer_start
    if found is None or found.shape != (layers,):
        raise PreconditionError(
            f"a {step.kind} module has no `{_WEIGHTS}` of {layers:,} values, as {name}/config.json has it"
        )
    weights = np.concatenate([np.zeros(file.layer_start), found.astype(np.float64)])
    if not np.isfinite(mean := weights / (weights.sum() or np.nan)).all():
        raise PreconditionError(f"`{_WEIGHTS}` in {name} have the sum 0, of which there is no mean")
    return tuple(mean.tolist())


def read_layer_pooling(step: HeadStep) -> LayerPoolingFile:
    """config.json of the module.

    Raises:
        PreconditionError: it has what Panope does not know, or starts behind the last layer.
    """
    name = f"{step.folder.name}/config.json"
    file = typed(read_json(step.folder / "config.json"), LayerPoolingFile, name)
    if file.layer_start > file.num_hidden_layers:
        raise PreconditionError(
            f"{name} has {file.layer_start:,} as `layer_start`, of {file.num_hidden_layers:,} layers"
        )
    return file
