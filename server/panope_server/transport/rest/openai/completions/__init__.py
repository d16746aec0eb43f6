"""OpenAI's completions, the older of its routes."""
