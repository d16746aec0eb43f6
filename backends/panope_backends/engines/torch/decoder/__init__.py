"""Decoders of transformers in PyTorch, as step models.

facts              what is known of one without its weights
loading            the model, with its head
attention          the function that hands a layer's attention to whoever computes it
pages              keys and values in pages, and attention over them
paged_model        the step model of decoders whose every layer attends by it
image_text         the step model of those whose prompts have images
state_model        the step model of others: transformers' own cache for each sequence
rerun_texts        the tokens of sequences, where nothing else of them can be kept
rerun_model        the step model of those: each step runs the whole text
step_models        which of these a model gets
"""
