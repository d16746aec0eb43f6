"""Models, their variants, files and aliases: what the registry records and answers."""
