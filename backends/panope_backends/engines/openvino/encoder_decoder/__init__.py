"""Encoder-decoders in OpenVINO's format: made from transformers, proved, and run as step models.

export     transformers' model -> a graph of the encoder and one of the decoder
facts      what the graphs do not tell, as a file beside them
inputs     a step as the decoder's graph takes it
model      the step model
sources    keys and values of what the encoder has read
proof      that it computes what transformers computes
convert    all of it as a conversion, with weights of 32, 16, 8 and 4 bits
load       the graphs, compiled
"""
