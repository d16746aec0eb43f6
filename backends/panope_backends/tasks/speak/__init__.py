"""Task `speak`: text to speech."""
