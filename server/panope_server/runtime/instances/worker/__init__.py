"""The process behind an instance: its start and end, its socket, its frames and its log."""
