"""Models that embed on servers elsewhere: by OpenAI's protocol, and by that of Text Embeddings Inference."""
