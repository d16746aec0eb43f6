"""Tiny seeded models of any architecture that transformers knows, made on the spot, the same each time.

sizes       how large the values of a configuration become, by what they are called
overrides   what single types need besides, and what their configurations lack
shrink      a type's configuration, made small
entries     the types, and their classes for each task
files       what stands beside the weights: a tokenizer, a processor
write       a folder as it would be published
"""

from panope_backends.testing.architectures.entries import Entry, entries
from panope_backends.testing.architectures.shrink import tiny_config
from panope_backends.testing.architectures.write import write_architecture

__all__ = ["Entry", "entries", "tiny_config", "write_architecture"]
