"""Commands that run a model: texts, images, audio and tensors in, answers out."""
