"""Programs that a server runs to their end: probe, convert, prepare a tokenizer."""
