"""Speech by models that tell letters frame by frame (CTC): Wav2Vec2, HuBERT, WavLM and their kin."""
