"""Programs that measure Panope; README.md says what each tells."""
