"""Models, aliases and jobs: their services and messages."""
