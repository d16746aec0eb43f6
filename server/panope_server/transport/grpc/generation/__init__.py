"""GenerateService: continues prompts, and answers conversations."""
