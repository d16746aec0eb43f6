"""The section `[media_urls]` of `panope.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_backends.upstreams.file_urls import ANY_PUBLIC_HOST, check_file_host
from panope_server.config.value_words import WORDS

FileHost = Annotated[
    str,
    Meta(
        pattern=r"^[^=/@ \n]+\Z",
        extra={WORDS: "`HOST`, `HOST:PORT`, `*.DOMAIN`, or `*`; an address of IPv6 in brackets"},
    ),
]


class MediaUrlSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Images, audio and documents that calls name by URL: whether, and from where, they are fetched."""

    allowed_hosts: Annotated[
        tuple[FileHost, ...],
        Meta(
            description="The hosts from which files are fetched, by the usual ports unless one is named; `*` for every "
            "host with a public address; empty refuses such URLs."
        ),
    ] = ()
    private_addresses: Annotated[
        bool,
        Meta(
            description="Whether the names of those hosts may lead to addresses of this machine and of private "
            "networks; one that is listed as an address may be called all the same. Not beside `*`."
        ),
    ] = False
    timeout_seconds: Annotated[
        float, Meta(gt=0, le=600, description="The longest that one file may take, redirects included.")
    ] = 10.0
    max_redirects: Annotated[
        int, Meta(ge=0, le=10, description="How often a host may send on; each address is checked as the first is.")
    ] = 3
    max_call_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of all files that one call names; `limits.media` bounds each of them.")
    ] = 64 << 20
    max_fetches: Annotated[int, Meta(ge=1, le=1024, description="Files that are fetched at once; others wait.")] = 16

    def __post_init__(self) -> None:
        for entry in self.allowed_hosts:
            check_file_host(entry)
        if self.private_addresses and ANY_PUBLIC_HOST in self.allowed_hosts:
            raise ValueError("`private_addresses` with the host `*` would let callers fetch from this machine")
