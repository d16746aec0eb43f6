"""The routes of Text Embeddings Inference (TEI) and of Hugging Face's Inference API."""
