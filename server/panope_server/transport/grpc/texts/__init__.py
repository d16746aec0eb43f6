"""Services of tasks that give something for each text."""
