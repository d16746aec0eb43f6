"""Tokenizers of models that generate: made once by transformers, kept in one file, run without it.

prepared             what is kept
preparing            makes and proves it
sentence_pieces      of tokenizers that transformers runs in Python
languages            that a tokenizer is told
prepared_tokenizer   where it comes from: the model's folder, a cache, or the program that makes it
text_encoder         texts to ids and back
source_encoder       texts to ids, where pieces are looked up by name
"""
