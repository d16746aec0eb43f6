"""The small HTTP app: metrics, health, files, and the hub's routes."""
