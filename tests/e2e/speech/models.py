"""The models of the server of these tests: trained Whisper, seeded ones of each other kind."""

ENGLISH, TWO_LANGUAGES, VOICE = "acme/whisper-tiny.en", "acme/whisper-seeded", "acme/voice"
LETTERS, EARS = "acme/wav2vec2-seeded", "acme/ears"
TOLD = "acme/seamless-seeded"
"""A model that is told the language of its answer."""

FOX, HELLO = "quick_brown_fox.wav", "hello_world.wav"

LOAD_SECONDS = 300
"""For a worker with PyTorch to start, on a machine that does other things too."""
