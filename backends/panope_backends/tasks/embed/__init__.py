"""The task embed: from texts to vectors."""
