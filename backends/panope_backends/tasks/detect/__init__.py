"""The task detect: from pictures to what stands in them, and where."""
