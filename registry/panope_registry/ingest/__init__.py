"""Brings models into the registry: from folders, hubs and conversions."""
