"""Models that keep nothing of a text between two steps: each step runs all of it again, as transformers does.

For types whose state or attention is out of reach of pages and caches. An answer of n tokens costs n runs, so that its
time grows with the square of its length; what it says is what transformers says.

texts             the tokens of each sequence, which stand in the place of a cache
decoder           the step model of a decoder
encoder_decoder   that of an encoder-decoder, which keeps the states of the encoder
"""
