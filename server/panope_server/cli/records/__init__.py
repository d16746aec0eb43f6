"""Commands on what servers have recorded of their calls; no server is needed."""
