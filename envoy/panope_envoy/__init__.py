"""Envoy's configuration: generated from one template, with its filters."""
