"""The registry's blocking calls, off the event loop."""
