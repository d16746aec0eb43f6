"""A server in the test's process that keeps what it was asked, and one face for both Python clients."""
