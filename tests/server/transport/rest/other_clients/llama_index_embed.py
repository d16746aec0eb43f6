"""LlamaIndex's clients of Text Embeddings Inference and of servers that speak as OpenAI."""

from __future__ import annotations

import json
import sys

from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

url, model, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
clients = {
    "tei": TextEmbeddingsInference(base_url=url, model_name=model, timeout=60),
    "openai_like": OpenAILikeEmbedding(api_base=f"{url}/v1", model_name=model, api_key="none"),
}
found = {name: client.get_text_embedding_batch(texts) for name, client in clients.items()}
found |= {f"{name} query": [client.get_query_embedding(text) for text in texts] for name, client in clients.items()}
print(json.dumps(found))
