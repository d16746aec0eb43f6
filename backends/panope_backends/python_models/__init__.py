"""Models that are Python code: what their files say, read by the registry and by workers; nothing runs here.

config_text   Triton's config.pbtxt, as a message with Triton's fields
triton        what it says of a model of Triton's python backend
layout        where the code lies in a model's folder
"""
