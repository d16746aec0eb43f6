"""The task token-classify: from texts to the entities in them."""
