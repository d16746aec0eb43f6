"""Which architectures of transformers this version recognises, loads and serves: what a sweep over all of them found.

catalogue.json is written by tests/catalogue/sweep.py, and stamped with the versions of the libraries that it ran with.
"""

from panope_registry.catalogue.catalogue import Catalogue, CatalogueEntry, Totals, read_catalogue, read_part

__all__ = ["Catalogue", "CatalogueEntry", "Totals", "read_catalogue", "read_part"]
