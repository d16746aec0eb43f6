"""The shared store: one bucket behind many machines, whose own stores are its caches."""

from panope_registry.shared_store.fallback import SharedFirst
from panope_registry.shared_store.location import RemotePlace
from panope_registry.shared_store.remote import RemoteBlob, RemoteStore
from panope_registry.shared_store.s3 import S3Store
from panope_registry.shared_store.sharing import Shared, Sharing

__all__ = ["RemoteBlob", "RemotePlace", "RemoteStore", "S3Store", "Shared", "SharedFirst", "Sharing"]
