"""Calls Panope with a client that openapi-python-client made of /openapi.json, and prints what came back as JSON."""

import json
import sys

from panope_client.api.hub import get_hub_api_models
from panope_client.api.job import get_job
from panope_client.api.open_ai import create_embeddings, get_model, list_models
from panope_client.api.registry import pull_model
from panope_client.models import EmbeddingsBody, ErrorJson, PullBody

from panope_client import Client

client = Client(base_url=sys.argv[1])
wanted = EmbeddingsBody(model="acme/embedder", input_=["a", "b"])
missing = get_model.sync("acme/none", client=client)
assert isinstance(missing, ErrorJson)
json.dump(
    {
        "models": [model.id for model in list_models.sync(client=client).data],
        "model": get_model.sync("acme/embedder", client=client).id,
        "vectors": len(create_embeddings.sync(client=client, body=wanted).data),
        "job": get_job.sync(1, client=client).id,
        "pulled": pull_model.sync(client=client, body=PullBody(model="acme/embedder")).job.id,
        "hub": [model.id for model in get_hub_api_models.sync(client=client)],
        "missing": missing.error.code,
    },
    sys.stdout,
)
