"""What the edge needs to know of the server behind it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

#: Paths of Panope's admin app that the HTTP port passes on.
ADMIN_PATHS = ("/health", "/ready", "/status", "/metrics", "/v1/metrics", "/openapi.json")

#: Everything below them goes to the admin app too: the store's files.
FILE_PREFIXES = ("/v1/files/",)

#: Everything below it goes there whatever the method, for its errors are those of the hub.
HUB_PREFIX = "/hub/"

#: So does what this matches: a model's files by their paths, and a job's by their names.
FILE_PATTERN = "/v1/model/[^/]+(/[^/]+)?/files/.+|/v1/jobs/[^/]+/files/[^/]+|/v1/videos/[^/]+/content"

#: Where the admin app tells Envoy, and nobody through it, the keys of an issuer whose keys are in a file.
TOKEN_KEYS_PATH = "/edge/token-keys"  # noqa: S105 - a path

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, kw_only=True)
class TokenIssuer:
    """Whose JSON Web Tokens callers may bring.

    Attributes:
        issuer: what tokens name as theirs (`iss`).
        audiences: of which tokens must name one (`aud`).
        jwks: where the issuer's keys are fetched; empty where the admin app has them, at `TOKEN_KEYS_PATH`.
        ca_file: the authorities that are trusted when the URL is asked, in PEM.
    """

    issuer: str
    audiences: tuple[str, ...]
    jwks: str
    ca_file: str = ""


@dataclass(frozen=True, kw_only=True)
class EdgeOptions:
    """The settings of one Envoy.

    Attributes:
        servers: the gRPC addresses, `HOST:PORT`, of replicas that share the calls: of those that say that they serve,
            the one with fewer calls has the next. Empty for the one server behind `grpc_socket`.
        admin_servers: the addresses of their admin apps, which `servers` needs too.
        grpc_socket: the Unix socket of the gRPC server. Its `grpc.max_receive_message_length` must be at least
            `receive_bytes`, or bodies near the limit are answered 429 instead of 413.
        envoy_admin_socket: the Unix socket to make for Envoy's own administration; only the server's user may open it.
        http_host: the address to listen on.
        http_port: REST, gRPC and gRPC-Web.
        admin_socket: the Unix socket of Panope's admin app; empty for its port.
        admin_host: where Panope's admin app listens.
        admin_port: where Panope's admin app listens.
        admin_paths: the paths that go to the admin app.
        file_prefixes: where its files begin; GET and HEAD below them go to the admin app.
        file_pattern: paths of files that begin otherwise; empty for none.
        hub_prefix: where the hub's own routes begin, which the admin app answers whatever the method; empty for none.
        max_body_bytes: the largest REST body; past it the answer is 413.
        tls_folder: the folder of what `panope_envoy.secrets` makes, taken up when they are replaced; empty for no TLS.
        client_certificates: whether callers must show a certificate; which one the folder says.
        token_issuer: whose tokens are checked here, their claims told to the server; None for nobody's.
        cors_origins: origins whose pages may call, such as `https://app.example.org`; `*` allows every page.
        allowed_hosts: names that a request's Host header may have. None allows loopback's names when `http_host` is a
            loopback address, so that no web page can reach the server by rebinding its own name, and every name
            otherwise; an empty tuple allows every name.
        access_log: the file that gets one line of JSON for each request; empty for none.
        max_connections: connections at a time; past it new ones are closed at once.
        pressure_file: a file that holds how much of `max_connections` is taken, from 0 to 1, and is replaced by
            renaming; past half of it connections without a request are closed sooner and sooner. Empty for none.
        max_large_bodies: REST requests at a time whose body is larger than 1 MiB, or does not say how large it is.
        max_heap_bytes: Envoy's own memory; near it no request is taken.
        idle_seconds: how long a request may pass without a byte in either direction.
        request_seconds: how long a caller may take to send a request; ends when the answer begins.
        connection_idle_seconds: how long a connection may have no request.
    """

    envoy_admin_socket: str
    grpc_socket: str = ""
    servers: tuple[str, ...] = ()
    admin_servers: tuple[str, ...] = ()
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    admin_socket: str = ""
    admin_host: str = "127.0.0.1"
    admin_port: int = 8002
    admin_paths: tuple[str, ...] = ADMIN_PATHS
    file_prefixes: tuple[str, ...] = FILE_PREFIXES
    file_pattern: str = FILE_PATTERN
    hub_prefix: str = HUB_PREFIX
    max_body_bytes: int = 16 << 20
    tls_folder: str = ""
    client_certificates: bool = False
    token_issuer: TokenIssuer | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] | None = None
    access_log: str = ""
    max_connections: int = 4096
    pressure_file: str = ""
    max_large_bodies: int = 32
    max_heap_bytes: int = 1 << 30
    idle_seconds: int = 600
    request_seconds: int = 120
    connection_idle_seconds: int = 120

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that a Host header may have; empty for every name."""
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        return hosts_for(self.http_host)

    @property
    def receive_bytes(self) -> int:
        """The largest gRPC message that a REST body can become: the body, its path and its content type."""
        return self.max_body_bytes + (64 << 10)


def hosts_for(address: str) -> tuple[str, ...]:
    """The names by which callers know a server at an address; empty for every name."""
    return _LOOPBACK_HOSTS if is_loopback(address) else ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
