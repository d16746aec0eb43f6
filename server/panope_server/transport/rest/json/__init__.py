"""JSON in and out of the façade: bodies, queries, events and errors."""
