"""The certificate, the key and the clients' CA: read together, checked, and looked at again when they change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from panope_backends.errors import PreconditionError
from panope_server.config import TlsSettings
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.server")

WATCH_SECONDS = 1.0
#: Nobody but its user may write the key, and nobody beyond its user and group may read it.
_OTHERS = 0o027

_EXPIRED, _NOT_YET_VALID = 10, 9
"""Of OpenSSL's X509_V_ERR_…"""


@dataclass(frozen=True)
class TlsFiles:
    """What the files hold, PEM each.

    Attributes:
        client_ca: of those that clients must show a certificate of; empty when they need none.
        expires_at: when the certificate does.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes
    expires_at: datetime


def read_tls_files(settings: TlsSettings) -> TlsFiles:
    """Reads the files and checks that a server can use them.

    Raises:
        PreconditionError: one cannot be read, is of another kind, belongs to another key, or is out of its time.
    """
    for name in ("certificate", "key"):
        if not getattr(settings, name):
            raise PreconditionError(f"`tls.{name}` is missing, which TLS needs", reason="tls_unusable")
    certificate, key = _read(settings.certificate, "certificate"), _read(settings.key, "key")
    if (mode := Path(settings.key).stat().st_mode) & _OTHERS:
        raise _wrong("key", settings.key, f"others may use it (mode {mode & 0o777:04o}); `chmod 600` it")
    client_ca = _read(settings.client_ca, "client_ca") if settings.client_ca else b""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_chain(context, settings)
    if client_ca:
        try:
            context.load_verify_locations(cadata=client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise _wrong("client_ca", settings.client_ca, "it holds no certificate in PEM") from None
    return TlsFiles(certificate, key, client_ca, _expiry(context, certificate, settings.certificate))


class TlsWatcher:
    """Takes up files that change, and tells those that use them.

    Attributes:
        files: what is used now: what could not be used changed nothing.
    """

    def __init__(self, settings: TlsSettings, files: TlsFiles) -> None:
        self.files = files
        self._settings = settings
        self._seen: tuple[object, ...] = ()  # the files may have changed since they were read
        self._told: list[Callable[[TlsFiles], None]] = []
        self._watching: asyncio.Task[None] | None = None

    def subscribe(self, told: Callable[[TlsFiles], None]) -> None:
        """Tells of files that can be used, from a thread."""
        self._told.append(told)

    def start(self) -> None:
        """Begins to watch."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Watches no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await contained_turn(asyncio.to_thread, self.look)

    def look(self) -> None:
        """Takes up what has changed since the last look."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            files = read_tls_files(self._settings)
        except PreconditionError as error:
            # A certificate and its key are two files: between the two writes they do not fit each other.
            _log.warning("tls_reload_failed", error=error.message)
            return
        if files == self.files:  # written again as they were
            return
        try:
            for tell in self._told:
                tell(files)
        except BaseException:
            self._seen = ()  # the next look tells them again
            raise
        self.files = files
        _log.info("tls_reloaded", expires_at=files.expires_at.isoformat())

    def _state(self) -> tuple[object, ...]:
        """What differs after every write of a file, and after a link to it, as Kubernetes has them, leads elsewhere."""
        return tuple(
            _state_of(path) for path in (self._settings.certificate, self._settings.key, self._settings.client_ca)
        )


def newest_context(watcher: TlsWatcher, folder: Path) -> ssl.SSLContext:
    """A context for a server of this process whose handshakes are with the files as they are then; see `_context`."""
    made = _NewestContext(ssl.PROTOCOL_TLS_SERVER)
    made.newest = _context(watcher.files, folder)

    def renew(files: TlsFiles) -> None:
        made.newest = _context(files, folder)

    watcher.subscribe(renew)
    return made


def _context(files: TlsFiles, folder: Path) -> ssl.SSLContext:
    """A context for a server of this process.

    Args:
        files: to use.
        folder: private to this server; holds the key for as long as this takes, since OpenSSL reads files alone.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    path = folder / "tls.pem"
    write_private(path, files.key + b"\n" + files.certificate)
    try:
        context.load_cert_chain(path)
    finally:
        path.unlink()
    if files.client_ca:
        context.load_verify_locations(cadata=files.client_ca.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _NewestContext(ssl.SSLContext):
    """A context whose connections are those of another, which may be replaced."""

    newest: ssl.SSLContext

    def wrap_bio(self, *arguments: object, **named: object) -> ssl.SSLObject:
        """Begins a connection."""
        return self.newest.wrap_bio(*arguments, **named)  # type: ignore[arg-type]  # passed on as they are


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that our user alone may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    fresh.rename(path)


def _read(path: str, name: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _wrong(name, path, f"it cannot be read: {(error.strerror or '').lower()}") from None


def _state_of(path: str) -> object:
    with contextlib.suppress(OSError):
        found = Path(path).stat() if path else None
        return found and (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return None


def _load_chain(context: ssl.SSLContext, settings: TlsSettings) -> None:
    def no_password() -> str:
        raise _wrong("key", settings.key, "it has a password; give one without")

    try:
        context.load_cert_chain(settings.certificate, settings.key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _wrong("key", settings.key, f"it is not the key of {settings.certificate}") from None
        if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
            raise _wrong("certificate", settings.certificate, "its key or its signature is too weak") from None
        why = f"it and `tls.key` ({settings.key}) are no certificate and key in PEM"
        raise _wrong("certificate", settings.certificate, why) from None


def _expiry(server: ssl.SSLContext, certificate: bytes, path: str) -> datetime:
    """When the certificate expires, as a client that trusts it sees it; the handshake stays in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=certificate.decode("ascii"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for _ in range(3):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code == _EXPIRED:
                    raise _wrong("certificate", path, "it has expired") from None
                if error.verify_code == _NOT_YET_VALID:
                    raise _wrong("certificate", path, "it is not valid yet") from None
                raise _wrong("certificate", path, "it is of no server") from None
    seconds = ssl.cert_time_to_seconds(str((ours.getpeercert() or {})["notAfter"]))
    return datetime.fromtimestamp(seconds, UTC)


def _wrong(name: str, path: str, why: str) -> PreconditionError:
    return PreconditionError(f"`tls.{name}` ({path}): {why}", reason="tls_unusable")
