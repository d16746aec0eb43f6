"""What a worker may do with a server elsewhere: the message of the settings to the backend `remote`.

It holds the key, so it goes over the worker's socket, never into its environment, a file or a log.
"""

from __future__ import annotations

import msgspec

from panope_backends.errors import PreconditionError
from panope_backends.upstreams.addresses import Place, is_listed


class Secret(msgspec.Struct, frozen=True):
    """A text that no log shows."""

    value: str = ""

    def __repr__(self) -> str:
        return "Secret(…)" if self.value else "Secret()"


class UpstreamAccess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a server elsewhere is called.

    Attributes:
        allowed_hosts: that may be called; see `addresses.is_listed`.
        private_addresses: whether names may lead to addresses of this machine and of private networks.
        ca_file: certificates of authorities to trust instead of the usual ones; empty for those.
        api_key: of the one host that is called; empty for none.
        connect_timeout_seconds: to connect.
        read_timeout_seconds: the longest silence.
        total_timeout_seconds: of one request, tries included.
        max_attempts: of one request, as long as nothing of the answer has come.
        max_requests: at once.
    """

    allowed_hosts: tuple[str, ...] = ()
    private_addresses: bool = False
    ca_file: str = ""
    api_key: Secret = Secret()
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 60.0
    total_timeout_seconds: float = 600.0
    max_attempts: int = 3
    max_requests: int = 32

    def to_bytes(self) -> bytes:
        """The message."""
        return msgspec.json.encode(self)

    @classmethod
    def of(cls, data: bytes) -> UpstreamAccess:
        """What a message holds; of no message, that no host may be called."""
        return msgspec.json.decode(data, type=cls) if data else cls()

    def require_allowed(self, place: Place) -> None:
        """Refuses a host that is not on the list.

        Raises:
            PreconditionError: it names the setting.
        """
        require_allowed(place, self.allowed_hosts)


def require_allowed(place: Place, allowed: tuple[str, ...]) -> None:
    """As `UpstreamAccess.require_allowed`, of a list."""
    if not is_listed(place, allowed):
        raise PreconditionError(
            f"the host `{place.host}`, port {place.port}, may not be called; the setting `remote.allowed_hosts` lists "
            "those that may",
            reason="host_not_allowed",
        )
