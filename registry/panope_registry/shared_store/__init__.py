"""The shared store: one bucket behind many machines, whose own stores are its caches."""

from panope_registry.shared_store.fallback import SharedStoreSource
from panope_registry.shared_store.location import RemoteLocation
from panope_registry.shared_store.remote import RemoteBlob, RemoteStore
from panope_registry.shared_store.s3 import S3Store
from panope_registry.shared_store.uploader import Uploader, UploadResult

__all__ = ["RemoteBlob", "RemoteLocation", "RemoteStore", "S3Store", "SharedStoreSource", "UploadResult", "Uploader"]
