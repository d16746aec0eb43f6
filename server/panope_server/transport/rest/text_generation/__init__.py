"""The routes of Text Generation Inference."""
