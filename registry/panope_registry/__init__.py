"""Records of models and files, and the verified, content-addressed store."""
