"""The sweep over architectures: what is tried of each, in processes of their own."""
