"""Images in conversations: what the model's own processor makes of them, and their places in the prompt's tokens."""
