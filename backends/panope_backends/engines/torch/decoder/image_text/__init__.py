"""Image-text models of transformers in PyTorch: a paged decoder whose prompts have images.

vision_tower   what the model makes of an image
prompts        what is kept of the prompts with images that run
model          the step model
trial          its comparison with transformers, when it is loaded
"""
