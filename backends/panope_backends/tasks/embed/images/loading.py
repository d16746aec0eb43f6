"""Loads models that embed images: encoders of images, and those with a part for images and one for texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.errors import PreconditionError
from panope_backends.media.processors import load_image_processor
from panope_backends.model_facts.image_models import has_towers, sees_padding
from panope_backends.tasks.embed.embed import EmbedSequenceTask
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.head import load_head
from panope_backends.tasks.embed.images.padded_texts import PaddedTexts
from panope_backends.tasks.embed.images.pooling import OUTPUTS, PIXELS, ImagePooling
from panope_backends.tasks.embed.images.requests import TASK, ImageRequests, refuse_texts
from panope_backends.tasks.embed.tokenizers.prepared_tokenizer import prepared_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.images import ImagePreparer
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.task import LoadedTask, ModelSource, Prepare
from panope_backends.tasks.tokenize.requests import tokenizer_requests

#: `ModelFacts.head` of the part that reads texts.
_TEXTS = "texts"

_SAME = 1e-3


def load_image_embedder(source: ModelSource, config: Mapping[str, Any]) -> LoadedTask:
    """Loads the model and embeds an image, and a short text where it takes some.

    Args:
        source: of the model.
        config: its config.json, wherever it lies.

    Raises:
        PreconditionError: why it cannot be served.
    """
    files = read_embed_files(source.folder) if has_towers(config) else EmbedFiles(source.folder, config)
    if (source.folder / "modules.json").exists() and not files.towers:
        raise PreconditionError("modules.json lists steps of sentence-transformers, which are not run on images")
    model = source.load(config, files.transformer_folder)
    try:
        return _loaded(source, config, files, model)
    except BaseException:  # whatever it was, what the engine holds is free for the next candidate
        model.close()
        raise


def _loaded(source: ModelSource, config: Mapping[str, Any], files: EmbedFiles, model: TensorModel) -> LoadedTask:
    images = ImagePreparer(load_image_processor(files.transformer_folder), source.media_limits)
    runs = StackedArrays(model, [spec.name for spec in model.outputs if spec.name in OUTPUTS], images.sample)
    runs.trial()
    sample = images.sample(0)
    (given,), (again,) = runs.run([sample]), runs.run([sample])
    if any(np.abs(given[name] - again[name]).max() > _SAME * np.abs(given[name]).max() for name in given):
        raise PreconditionError("the model gives another answer to the same image each time, as it hides parts of it")
    steps = load_head(files.head, pickles="pickles" in source.grants)
    pooling = ImagePooling(config, given, sample.arrays[PIXELS].shape, steps)
    dimensions = pooling.dimensions[pooling.modes[0]]
    asked = ImageRequests(images, pooling, files.normalize, files.default_dimensions)
    requests: dict[str, Prepare] = {TASK: asked.embed}
    facts = messages.EmbedFacts(
        dimensions=files.default_dimensions or dimensions,
        pooling=pooling.modes[0],
        image_poolings=pooling.choices,
        inputs=["images"],
        normalize=files.normalize,
    )
    if not has_towers(config):
        requests["embed"] = refuse_texts
        return LoadedTask(model, config, requests, facts=facts.SerializeToString(), arrays=runs)
    texts = _TextTower(source, config, files)
    if texts.task.row_width != dimensions:
        texts.model.close()
        raise PreconditionError(f"the model gives images {dimensions} values and texts {texts.task.row_width}")
    facts.prompt_names.extend(texts.facts.prompt_names)
    facts.max_tokens = texts.facts.max_tokens
    facts.inputs.append("texts")
    requests |= texts.requests
    answers = LoadedTask(model, texts.config, requests, texts.task, facts.SerializeToString(), arrays=runs)
    answers.end = texts.model.close
    return answers


class _TextTower:
    """The part that reads texts, loaded beside the one for images and tried.

    Raises:
        PreconditionError: it cannot be served.
    """

    def __init__(self, source: ModelSource, config: Mapping[str, Any], files: EmbedFiles) -> None:
        self.config = files.config
        loaded = source.load(config, files.transformer_folder, head=_TEXTS)
        try:
            self.model = PaddedTexts(loaded, files.config) if sees_padding(config) else loaded
            # After the model: an engine that has imported transformers by now saves a process.
            prepared = prepared_tokenizer(source.folder, files, source.cache_folder)
            tokenizer = TextTokenizer(prepared)
            most = prepared.max_tokens or source.max_batch_tokens
            pickles = "pickles" in source.grants
            self.task = EmbedSequenceTask(files, tokenizer, self.model, max_tokens=most, pickles=pickles)
            self.task.trial()
        except BaseException:  # whatever it was, what the engine holds is free for the next candidate
            loaded.close()
            raise
        self.facts = self.task.facts
        self.requests = {"embed": self.task.prepare, **tokenizer_requests(tokenizer, self.facts.max_tokens)}
