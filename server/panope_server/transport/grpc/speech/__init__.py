"""SpeechService."""
