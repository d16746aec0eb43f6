"""Where the server can be reached from, and how Envoy is told."""

from __future__ import annotations

import json
import math
import ssl
from pathlib import Path

from panope_envoy.options import EdgeOptions, TokenIssuer, is_loopback
from panope_envoy.secrets import secret_files
from panope_server.config import Settings
from panope_server.config.sections.access import JwtSettings
from panope_server.runtime.home import StartError
from panope_server.runtime.tls_files import TlsFiles, write_private

GRPC_SOCKET = "grpc.sock"
ADMIN_SOCKET = "admin.sock"
"""In the folder of a running server: where Envoy reaches it."""

#: Where Debian and its kin have them, and Red Hat's.
_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

IDLE_MARGIN_SECONDS = 60
"""The server says what is wrong with a call that takes too long before Envoy ends it without a reason."""


def refuse_open_bind(settings: Settings) -> None:
    """Refuses an address that others can reach, where callers need no key, unless the settings say that it is meant.

    Raises:
        StartError: it is one.
    """
    if is_loopback(settings.host) or settings.auth == "required" or settings.allow_unauthenticated:
        return
    raise StartError(
        f"{settings.host} can be reached from other machines and this server "
        f"{'asks for no key' if settings.auth == 'off' else 'answers callers without a key'}; "
        "`--auth required` asks everybody for one, --allow-unauthenticated says that this is meant"
    )


def edge_options(settings: Settings, run_folder: Path) -> EdgeOptions:
    """Envoy's options; its sockets lie in the folder of the running server."""
    limits = settings.limits
    longest = max(limits.default_timeout_seconds, limits.generation_timeout_seconds)
    return EdgeOptions(
        grpc_socket=str(run_folder / GRPC_SOCKET),
        envoy_admin_socket=str(run_folder / "envoy.sock"),
        http_host=settings.host,
        http_port=settings.http_port,
        admin_socket=str(run_folder / ADMIN_SOCKET),
        tls_folder=str(run_folder) if settings.tls.is_on else "",
        client_certificates=bool(settings.tls.client_ca),
        token_issuer=_token_issuer(settings.access.jwt),
        max_body_bytes=limits.max_message_bytes,
        cors_origins=settings.cors_origins,
        idle_seconds=max(EdgeOptions.idle_seconds, math.ceil(longest) + IDLE_MARGIN_SECONDS),
    )


def _token_issuer(jwt: JwtSettings) -> TokenIssuer | None:
    if not jwt.issuer:
        return None
    return TokenIssuer(
        issuer=jwt.issuer,
        audiences=jwt.audiences,
        jwks="" if jwt.keys_file else jwt.jwks,
        ca_file="" if jwt.keys_file else jwt.ca_file or _usual_authorities(),
    )


def _usual_authorities() -> str:
    """The file of the authorities that this system trusts; StartError when it is nowhere."""
    places = ssl.get_default_verify_paths().cafile, *_AUTHORITIES
    found = next((place for place in places if place and Path(place).is_file()), None)
    if found is None:
        raise StartError("`access.jwt.ca_file` is missing: this system has no file of authorities where others have it")
    return found


def write_secrets(files: TlsFiles, run_folder: Path) -> None:
    """Gives Envoy the certificate and its key, which it takes up at once; the folder is our user's alone."""
    texts = (data.decode("ascii") for data in (files.certificate, files.key, files.client_ca))
    for name, document in secret_files(*texts).items():
        write_private(run_folder / name, json.dumps(document).encode())
