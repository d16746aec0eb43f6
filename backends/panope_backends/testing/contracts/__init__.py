"""The conformance suites, one for each kind of model and one for converters."""
