"""Haystack's embedders of Text Embeddings Inference."""

from __future__ import annotations

import json
import sys

from haystack import Document
from haystack.components.embedders import HuggingFaceAPIDocumentEmbedder, HuggingFaceAPITextEmbedder

url, texts = sys.argv[1], json.loads(sys.argv[3])
how = {"api_type": "text_embeddings_inference", "api_params": {"url": url}, "token": None}
documents = HuggingFaceAPIDocumentEmbedder(**how).run(documents=[Document(content=text) for text in texts])
embedder = HuggingFaceAPITextEmbedder(**how)
found = {
    "documents": [document.embedding for document in documents["documents"]],
    "texts": [embedder.run(text=text)["embedding"] for text in texts],
}
print(json.dumps(found))
