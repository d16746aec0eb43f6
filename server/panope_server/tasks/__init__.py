"""What each task means to the server: its input and output, limits, costs, usage and messages to and from workers."""
