"""What the benchmarks share: a server of their own, load, measured turns, reports."""
