"""The process that runs the registry's jobs beside a server."""
