"""The routes that read the text in images."""
