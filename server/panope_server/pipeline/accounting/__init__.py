"""Every call is counted, timed and logged, with the parts of its answer."""
