"""The task depth: from images to how far away each of their pixels is."""
