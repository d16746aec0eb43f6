"""The program that runs one model instance."""
