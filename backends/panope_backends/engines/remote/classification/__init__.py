"""Models that classify or rerank on servers elsewhere, by the protocol of Text Embeddings Inference."""
