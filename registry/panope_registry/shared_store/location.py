"""Where a shared store is, as settings write it; known without talking to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from panope_backends.errors import InvalidInputError, PreconditionError

if TYPE_CHECKING:
    from panope_registry.shared_store.s3 import S3Store

DEFAULT_REGION = "us-east-1"

_URL = re.compile(r"s3://(?P<bucket>[^/]+)(/(?P<prefix>.*))?")


@dataclass(frozen=True)
class RemoteLocation:
    """A bucket, and the beginning of all keys in it.

    Attributes:
        prefix: without slashes at its ends; empty for none.
        endpoint: of a server other than AWS, such as `http://minio:9000`; empty for AWS.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = DEFAULT_REGION

    @classmethod
    def parse(cls, url: str, endpoint: str = "", region: str = DEFAULT_REGION) -> RemoteLocation:
        """The place that `s3://BUCKET/PREFIX` names.

        Raises:
            InvalidInputError: it is written otherwise.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise InvalidInputError("`store.remote` must be written as s3://BUCKET/PREFIX", field="store.remote")
        return cls(found["bucket"], (found["prefix"] or "").strip("/"), endpoint, region)

    @property
    def id(self) -> str:
        """Names the store among all that share a database; the same on every machine."""
        return f"s3://{self.endpoint.partition('://')[2] or 'aws'}/{self.bucket}/{self.prefix}"

    def check(self) -> None:
        """Finds out early whether the store could be opened here.

        Raises:
            PreconditionError: the package `obstore` is not installed (`driver_not_installed`).
        """
        if find_spec("obstore") is None:
            raise no_driver()

    def open(self) -> S3Store:
        """The store; credentials come from the environment, as AWS's own tools read them.

        Raises:
            PreconditionError: the package `obstore` is not installed (`driver_not_installed`).
        """
        from panope_registry.shared_store.s3 import S3Store

        return S3Store(self.bucket, prefix=self.prefix, endpoint=self.endpoint, region=self.region)


def no_driver() -> PreconditionError:
    """The error that names what is missing."""
    return PreconditionError("a shared store in S3 needs the package `obstore`", reason="driver_not_installed")
