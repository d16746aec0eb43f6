"""Opens the shared store that a location names."""

from __future__ import annotations

from panope_registry.shared_store.location import RemoteLocation
from panope_registry.shared_store.remote import RemoteStore
from panope_registry.shared_store.s3 import S3Store


def open_remote_store(location: RemoteLocation) -> RemoteStore:
    """Opens the shared store; credentials come from the environment, as AWS's own tools read them.

    Raises:
        PreconditionError: the package `obstore` is not installed (`driver_not_installed`).
    """
    return S3Store(location.bucket, prefix=location.prefix, endpoint=location.endpoint, region=location.region)
