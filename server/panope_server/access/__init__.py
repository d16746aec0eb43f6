"""Who calls: the principal of a call, and the authenticator that knows it."""
