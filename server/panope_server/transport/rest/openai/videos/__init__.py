"""OpenAI's videos."""
