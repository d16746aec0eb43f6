"""Token ids in the place of texts: whose they are, and the texts of those that OpenAI's models have."""
