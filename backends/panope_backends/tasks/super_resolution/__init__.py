"""The task super-resolution: from images to larger ones, or to others of their size."""
