"""Task `detect-speech`: which parts of audio are speech, told by the detector beside models that transcribe."""
