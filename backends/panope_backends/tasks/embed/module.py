"""How `embed` models are loaded, and which requests they answer."""

from __future__ import annotations

from panope_backends.api import EmbeddingModel
from panope_backends.model_facts.image_models import embeds_images, with_type
from panope_backends.python_models.layout import FORMAT as PYTHON
from panope_backends.tasks.embed.by_engine import engine_task
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.images.requests import TASK, refuse_images
from panope_backends.tasks.embed.loading import load_encoder, make_task
from panope_backends.tasks.embed.multi_vectors import MultiVectorTask, refuse_rerank
from panope_backends.tasks.embed.routed import load_routed
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, Prepare, TaskModule
from panope_backends.tasks.tokenize.requests import tokenizer_requests


class EmbedModule(TaskModule):
    """Loads an encoder of texts with its tokenizer, pooling and head, as its files say, or one of images."""

    name = "embed"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and embeds a short text, or an image where it is a model of images."""
        config = with_type(read_json(source.folder / "config.json", missing_ok=True))
        if source.format != PYTHON and embeds_images(config):
            from panope_backends.tasks.embed.images.loading import load_image_embedder  # it brings Pillow

            return load_image_embedder(source, config)
        is_described = (source.folder / "config.json").exists() or (source.folder / "modules.json").exists()
        if source.format == PYTHON or not is_described:
            found = source.load_any({})
            if isinstance(found, EmbeddingModel):
                return _of_engine(found)
            found.close()
        files = read_embed_files(source.folder)
        if files.towers and source.format != PYTHON:
            from panope_backends.tasks.embed.images.loading import load_image_embedder

            return load_image_embedder(source, files.towers)
        if files.routes:
            return load_routed(source, files)
        model = load_encoder(source, files)
        task, tokenizer = make_task(source, files, model)
        facts = task.facts
        requests: dict[str, Prepare] = {"embed": task.prepare, TASK: refuse_images, "rerank": refuse_rerank}
        if isinstance(task, MultiVectorTask):
            requests["rerank"] = task.rerank
        requests |= tokenizer_requests(tokenizer, facts.max_tokens)
        return LoadedTask(model, files.config, requests, task, facts.SerializeToString())


def _of_engine(model: EmbeddingModel) -> LoadedTask:
    try:
        return engine_task(model)
    except BaseException:  # whatever it was, what the engine holds is free for the next candidate
        model.close()
        raise
