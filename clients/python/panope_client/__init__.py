"""Panope's Python client.

from panope_client import Client

with Client("localhost:8001") as client:
    embeddings = client.embed(["hello"], "sentence-transformers/all-MiniLM-L6-v2")
    print(embeddings.vectors.shape)
"""

from panope.v1.job_service_pb2 import Job
from panope.v1.model_pb2 import Instance, Model, Variant
from panope.v1.registry_service_pb2 import Device
from panope_client.aio import AsyncClient
from panope_client.client import Client
from panope_client.errors import (
    AnswerError,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PanopeClientError,
    PreconditionError,
    UnavailableError,
)
from panope_client.messages import EmbedOptions
from panope_client.results import Embeddings, Health, Tokens
from panope_client.retry import RetryPolicy

__all__ = [
    "AnswerError",
    "AsyncClient",
    "Client",
    "DeadlineError",
    "Device",
    "EmbedOptions",
    "Embeddings",
    "Health",
    "Instance",
    "InvalidInputError",
    "Job",
    "Model",
    "NotFoundError",
    "OverloadedError",
    "PanopeClientError",
    "PreconditionError",
    "RetryPolicy",
    "Tokens",
    "UnavailableError",
    "Variant",
]
