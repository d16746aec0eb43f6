"""Encoder-decoders of transformers in PyTorch, as step models.

facts          what is known of one without its weights
composed       what models of two others need before they run
attention      the function that hands a decoder's attention to whoever computes it
layers         which modules of a decoder compute attention, to its own tokens and to sources
positions      where tokens stand: tables of positions, and biases by distance
sources        keys and values that the decoder's layers make of what the encoder read
passing_cache  no cache of transformers' own
states         what an encoder gives
model          the step model
trial          its comparison with transformers when it is loaded
rerun_model    the step model of those of which nothing can be kept: each step runs the whole text
loading        all of these, in their order
"""
