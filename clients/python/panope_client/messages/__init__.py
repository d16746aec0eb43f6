"""Requests and answers of the services as messages of the protos, made of what callers give."""
