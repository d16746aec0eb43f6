"""Panope's server: transport, pipeline, runtime, observability and the command line."""
