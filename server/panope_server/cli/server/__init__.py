"""`panope serve`, and the commands that ask a running server."""
