"""How requests to models that generate run: their sequences together, step by step."""
