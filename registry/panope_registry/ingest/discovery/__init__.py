"""Finds models in the folders below a folder: models' own folders, Triton's model repositories, and more.

found       what is found, whatever it is
scan        walks, and asks each finder
folders     models' own folders
triton      Triton's model repositories; pbtxt reads their config.pbtxt
hub_cache   what the hub's own client has downloaded
skills      `hf_*.py` files, which are read and never imported
"""

from panope_registry.ingest.discovery.finder import FoundModel, ScanOptions
from panope_registry.ingest.discovery.scan import discover_models

__all__ = ["FoundModel", "ScanOptions", "discover_models"]
