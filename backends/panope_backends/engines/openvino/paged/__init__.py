"""Decoders in OpenVINO's format with paged attention: made from transformers, proved, and run as step models.

export     transformers' model -> graph with a marker in the place of each layer's attention
facts      what the graph does not tell, as a file beside it
markers    markers -> paged attention, each time the graph is loaded
geometry   the cache: its tensors, and the memory of one block
model      the step model
proof      that it computes what transformers computes
convert    all of it as a conversion, with weights of 32, 16, 8 and 4 bits
"""
