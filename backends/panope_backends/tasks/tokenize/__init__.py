"""Tasks `tokenize` and `detokenize`: texts to the model's tokens, and back."""
