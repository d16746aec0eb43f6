"""The section `[remote]` of `panope.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_backends.upstreams.addresses import check_entry
from panope_server.config.sections.values import check_single
from panope_server.config.value_words import WORDS

HostEntry = Annotated[
    str,
    Meta(
        pattern=r"^[^=/@ \n]+\Z",
        extra={WORDS: "`HOST`, `HOST:PORT`, or `*.DOMAIN`; an address of IPv6 in brackets"},
    ),
]
KeyEntry = Annotated[
    str,
    Meta(pattern=r"^[^=/@ \n]+=.+\Z", extra={WORDS: "texts such as `HOST=VARIABLE` and `HOST:PORT=/path/of/a/file`"}),
]


class RemoteSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Servers elsewhere whose models are served here: which may be called, with which keys, for how long."""

    allowed_hosts: Annotated[
        tuple[HostEntry, ...],
        Meta(description="The hosts that may be called, on any port unless one is named; empty for none."),
    ] = ()
    private_addresses: Annotated[
        bool,
        Meta(
            description="Whether the names of those hosts may lead to addresses of this machine and of private "
            "networks; one that is listed as an address may be called all the same."
        ),
    ] = False
    api_keys: Annotated[
        tuple[KeyEntry, ...],
        Meta(
            description="Where the key of a host is: in a variable of the server's environment, or in a file by its "
            "absolute path. A key goes to its host alone; it is read whenever a model is loaded."
        ),
    ] = ()
    ca_file: Annotated[
        str, Meta(description="Certificates of the authorities that are trusted, in PEM; empty for the usual ones.")
    ] = ""
    connect_timeout_seconds: Annotated[float, Meta(gt=0, le=60, description="The time to connect.")] = 5.0
    read_timeout_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="The longest that a server may be silent within an answer.")
    ] = 60.0
    total_timeout_seconds: Annotated[
        float, Meta(gt=0, le=86400, description="The longest that one request may take, tries included.")
    ] = 600.0
    max_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=10,
            description="How often a request is sent that a server does not take: it refuses connections, or answers "
            "429 or 503.",
        ),
    ] = 3
    max_requests: Annotated[
        int, Meta(ge=1, le=1024, description="Answers of one model that are waited for at once; others queue.")
    ] = 32

    def __post_init__(self) -> None:
        for entry in self.allowed_hosts:
            check_entry(entry)
        for entry in self.api_keys:
            check_entry(entry.partition("=")[0])
        check_single(self.api_keys)
