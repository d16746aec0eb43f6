"""The shared store: one bucket behind many machines, whose own stores are its caches."""

from panope_registry.remote.opening import SharedFirst
from panope_registry.remote.place import RemotePlace
from panope_registry.remote.remote import RemoteBlob, RemoteStore
from panope_registry.remote.s3 import S3Store
from panope_registry.remote.sharing import Shared, Sharing

__all__ = ["RemoteBlob", "RemotePlace", "RemoteStore", "S3Store", "Shared", "SharedFirst", "Sharing"]
