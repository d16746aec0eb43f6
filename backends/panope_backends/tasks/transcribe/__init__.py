"""Task `transcribe`: speech to text."""
