"""Questions about images, and texts of images, by the bodies of Hugging Face's clients."""
