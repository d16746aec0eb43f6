"""What every route that classifies or reranks has in common, and the routes of their own."""
