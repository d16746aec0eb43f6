"""Panope's own routes: models, what they run, jobs and aliases."""
