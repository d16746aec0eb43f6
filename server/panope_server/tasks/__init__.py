"""What each task means to the server: its inputs, outputs, limits and costs."""
