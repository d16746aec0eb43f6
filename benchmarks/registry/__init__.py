"""The registry: its queries, downloads, jobs."""
