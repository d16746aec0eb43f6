"""The task detect: from images to what stands in them, and where."""
