"""The routes that make images larger."""
