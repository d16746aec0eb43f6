"""Questions about pictures, and texts of pictures, by the bodies of Hugging Face's clients."""
