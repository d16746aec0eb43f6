"""OpenAI's and Hugging Face's routes of speech."""
