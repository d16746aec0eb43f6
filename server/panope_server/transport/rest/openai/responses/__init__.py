"""OpenAI's responses, of which nothing is stored."""
