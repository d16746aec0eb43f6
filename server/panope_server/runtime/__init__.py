"""Models, instances and the processes that the server starts."""
