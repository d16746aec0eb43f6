"""Images to vectors, and texts in the same space where the model has both."""
