"""What this machine has: its devices as backends see them, and what each does at this moment."""
