"""The instances of a model in groups: each runs one plan, starts and ends as one."""
