"""Task `generate`: prompts and conversations to answers, piece by piece."""
