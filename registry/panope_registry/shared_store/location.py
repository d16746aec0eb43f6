"""The location of a shared store, as settings write it; known without talking to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError

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
        """Parses `s3://BUCKET/PREFIX`.

        Raises:
            InvalidInputError: it is written otherwise.
        """
        match = _URL.fullmatch(url)
        if match is None:
            raise InvalidInputError(
                "`shared_store.url` must be written as s3://BUCKET/PREFIX", field="shared_store.url"
            )
        return cls(match["bucket"], (match["prefix"] or "").strip("/"), endpoint, region)

    @property
    def id(self) -> str:
        """Names the store among all that share a database; the same on every machine."""
        return f"s3://{self.endpoint.partition('://')[2] or 'aws'}/{self.bucket}/{self.prefix}"
