"""Summaries and translations, by the bodies of Hugging Face's clients."""
