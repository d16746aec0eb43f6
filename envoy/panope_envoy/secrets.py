"""TLS of the one listener, by files that Envoy takes up when they are replaced by renaming."""

from __future__ import annotations

from pathlib import PurePath

from panope_envoy.options import EdgeOptions
from panope_envoy.typed import Json, typed

SERVER = "server"
CLIENTS = "clients"

_TLS = "extensions.transport_sockets.tls.v3"


def secret_files(certificate: str, key: str, client_ca: str) -> dict[str, Json]:
    """What the files of a `tls_folder` hold, by their names.

    Args:
        certificate: in PEM, with those between it and its CA.
        key: its private key, in PEM.
        client_ca: of callers' certificates, in PEM; empty for callers without any.
    """
    pair = {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
    found = {_file(SERVER): _resource(SERVER, tls_certificate=pair)}
    if client_ca:
        trusted = {"trusted_ca": {"inline_string": client_ca}}
        found[_file(CLIENTS)] = _resource(CLIENTS, validation_context=trusted)
    return found


def transport_socket(options: EdgeOptions) -> Json:
    """What a filter chain has for TLS; nothing without it."""
    if not options.tls_folder:
        return {}
    common: Json = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_source(options, SERVER)],
    }
    if options.client_certificates:
        common["validation_context_sds_secret_config"] = _source(options, CLIENTS)
    context = typed(
        f"{_TLS}.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=options.client_certificates,
    )
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _file(name: str) -> str:
    return f"{name}-secret.json"


def _resource(name: str, **secret: Json) -> Json:
    return {"resources": [typed(f"{_TLS}.Secret", **{"name": name, **secret})]}


def _source(options: EdgeOptions, name: str) -> Json:
    path = str(PurePath(options.tls_folder, _file(name)))
    return {"name": name, "sds_config": {"path_config_source": {"path": path}, "resource_api_version": "V3"}}
