"""The section `[tls]` of `panope.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS, 1.2 at least, on all three ports; files that change are taken up without a restart.

    All files are PEM. The server's own way from Envoy stays on Unix sockets of its user.
    """

    certificate: Annotated[
        str, Meta(description="The file of the certificate, with those between it and its CA; empty for no TLS.")
    ] = ""
    key: Annotated[
        str, Meta(description="The file of its private key, without a password; others must not be able to read it.")
    ] = ""
    client_ca: Annotated[
        str,
        Meta(description="The file of the CA whose certificates clients must show; empty for clients without any."),
    ] = ""

    @property
    def is_on(self) -> bool:
        """Whether the ports speak TLS: as soon as one file is named, so that a forgotten one is told of."""
        return bool(self.certificate or self.key or self.client_ca)
