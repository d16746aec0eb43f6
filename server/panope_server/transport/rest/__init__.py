"""The REST façade: OpenAI, Hugging Face and Panope bodies, behind Envoy's transcoder."""
