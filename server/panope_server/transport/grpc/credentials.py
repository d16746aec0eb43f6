"""TLS of the gRPC port."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from panope_server.runtime.tls_files import TlsFiles


def server_credentials(newest: Callable[[], TlsFiles]) -> grpc.ServerCredentials:
    """Credentials that each handshake takes from the files as they are then; gRPC speaks TLS 1.2 and later.

    Args:
        newest: the files; called from gRPC's threads.
    """
    used = newest()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        files = newest()
        if files is used:
            return None
        used = files
        return _configuration(files)

    credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        changed,  # type: ignore[arg-type]  # None is for no change, which the stubs do not know
        require_client_authentication=bool(used.client_ca),
    )
    return credentials


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    pairs = [(files.key, files.certificate)]
    return grpc.ssl_server_certificate_configuration(pairs, root_certificates=files.client_ca or None)
