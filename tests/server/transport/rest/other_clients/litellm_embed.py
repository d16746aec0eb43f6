"""LiteLLM by OpenAI's API, synchronously and not."""

from __future__ import annotations

import asyncio
import json
import sys

import litellm

url, model, texts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
how = {"model": f"openai/{model}", "input": texts, "api_base": f"{url}/v1", "api_key": "none"}
answers = {
    "embedding": litellm.embedding(**how),
    "aembedding": asyncio.run(litellm.aembedding(**how)),
}
print(json.dumps({name: [item["embedding"] for item in answer.data] for name, answer in answers.items()}))
