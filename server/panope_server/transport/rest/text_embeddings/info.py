"""What TEI's /info tells."""

from __future__ import annotations

from typing import TypedDict

from panope_server.config import Settings
from panope_server.observability.metrics import panope_version
from panope_server.runtime.status import ModelView


class PoolingJson(TypedDict):
    """How vectors of tokens become one."""

    pooling: str


class LabelsJson(TypedDict):
    """The labels of a model, by their ids and by their names."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class ModelTypeJson(TypedDict, total=False):
    """What the model does: one of the three."""

    embedding: PoolingJson
    classifier: LabelsJson
    reranker: LabelsJson


class TextEmbeddingsInfoJson(TypedDict):
    """The answer of GET /info.

    Attributes:
        max_concurrent_requests: texts that may wait for the model.
    """

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: ModelTypeJson
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: None
    docker_label: None


def info_json(view: ModelView, settings: Settings) -> TextEmbeddingsInfoJson:
    """The answer for a loaded model."""
    limits, workers = settings.limits, settings.workers
    spec = view.embed or view.classify
    return {
        "model_id": view.name,
        "model_sha": view.commit or None,
        "model_dtype": view.instances[0].precision if view.instances else "",
        "model_type": _model_type(view),
        "max_concurrent_requests": limits.max_queue_items,
        "max_input_length": spec.max_tokens if spec else 0,
        "max_batch_tokens": workers.max_batch_tokens,
        "max_batch_requests": workers.max_batch_size,
        "max_client_batch_size": limits.max_items,
        "auto_truncate": False,
        "tokenization_workers": workers.instances,
        "version": panope_version(),
        "sha": None,
        "docker_label": None,
    }


def _model_type(view: ModelView) -> ModelTypeJson:
    if view.classify is None:
        return {"embedding": {"pooling": view.embed.pooling if view.embed else ""}}
    labels: LabelsJson = {
        "id2label": {str(index): label for index, label in enumerate(view.classify.labels)},
        "label2id": {label: index for index, label in enumerate(view.classify.labels)},
    }
    return {"reranker": labels} if view.task == "rerank" else {"classifier": labels}
