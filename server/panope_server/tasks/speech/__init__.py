"""Tasks over audio: speech to text, text to speech, and where speech is."""
