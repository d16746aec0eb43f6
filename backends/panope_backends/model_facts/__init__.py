"""What a model's files say of it that the registry, engines and tasks must read alike."""
