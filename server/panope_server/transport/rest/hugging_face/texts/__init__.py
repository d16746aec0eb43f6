"""Answers to questions in texts and fillings of masks, by the bodies of Hugging Face's clients."""
