"""For authors of backends: the conformance suite and small backends to test with."""
