"""What jobs do: one file for each kind, `requests` for how people ask for them."""
