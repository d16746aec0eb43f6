"""The shared store: one bucket behind many machines, whose own stores are its caches."""

from panope_registry.remote.remote import RemoteBlob, RemoteStore
from panope_registry.remote.s3 import S3Store
from panope_registry.remote.sharing import Shared, Sharing

__all__ = ["RemoteBlob", "RemoteStore", "S3Store", "Shared", "Sharing"]
