"""The tasks classify, zero-shot and rerank: from texts, or pairs of texts, to scores."""
