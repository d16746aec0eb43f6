"""Commands on models: bring them in, look at them, name them, build and measure variants."""
