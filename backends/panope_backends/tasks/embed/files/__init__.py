"""What the files of an embedding model say: configurations and modules of sentence-transformers."""
