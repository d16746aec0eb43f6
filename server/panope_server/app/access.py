"""Who may call: built as the settings say, with the first key of all where there is none yet."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from panope_backends.errors import AlreadyExistsError, PreconditionError
from panope_registry.access.key_types import KeySpec
from panope_registry.access.pepper import FILE, VARIABLE, Peppers
from panope_registry.access.scopes import EVERY_SCOPE
from panope_registry.session import RegistrySession
from panope_server.access.authentication import AnonymousAccess, Authenticator, KeyAccess
from panope_server.access.failures import Failures
from panope_server.access.identities import CertificateIdentity, Identify, IdentityAccess, TokenIdentity
from panope_server.access.key_cache import KeyCache
from panope_server.access.rules import Rules
from panope_server.config import Settings
from panope_server.config.sections.access import JwtSettings
from panope_server.runtime.async_registry.keys import AsyncKeys, KeyFollower
from panope_server.tasks.catalog import check_scopes

_log = structlog.get_logger("panope.access")

ADMIN = "admin"
WHO = "panope serve"
ADMIN_KEY_FILE = "admin-key"


async def open_access(stack: AsyncExitStack, settings: Settings, session: RegistrySession) -> Authenticator:
    """What knows callers; it follows the registry until the stack ends.

    Raises:
        PreconditionError: the pepper of keys cannot be read.
        AvailabilityError: the database does not answer.
    """
    identities = identities_of(settings)
    if settings.auth == "off":
        return AnonymousAccess()
    peppers = await asyncio.to_thread(_prepare, settings.home_path, session)
    cache = KeyCache(AsyncKeys(session.keys), peppers)
    follower = KeyFollower(cache)
    await follower.start()
    stack.push_async_callback(follower.stop)
    keys = KeyAccess(cache, Failures(), is_required=settings.auth == "required")
    return IdentityAccess(keys, identities) if identities else keys


def identities_of(settings: Settings) -> list[Identify]:
    """What knows callers without keys, as the settings say.

    Raises:
        PreconditionError: a rule is none, or a setting that it needs says something else.
    """
    jwt, certificate_rules = settings.access.jwt, settings.access.certificate_rules
    found: list[Identify] = []
    if jwt != JwtSettings(claim=jwt.claim):
        for name in ("issuer", "audiences", "jwks", "rules"):  # a token for any audience may be meant for anybody
            _require(bool(getattr(jwt, name)), "access.jwt", f"`access.jwt.{name}`")
        _require(settings.auth != "off", "access.jwt", "`auth` to be `required` or `optional`")
        _require(settings.envoy, "access.jwt", "`envoy`, which checks tokens")
        found.append(TokenIdentity(jwt.claim, Rules(jwt.rules, "access.jwt.rules", check_scopes)))
    if certificate_rules:
        _require(settings.auth != "off", "access.certificate_rules", "`auth` to be `required` or `optional`")
        _require(bool(settings.tls.client_ca), "access.certificate_rules", "`tls.client_ca`")
        found.append(CertificateIdentity(Rules(certificate_rules, "access.certificate_rules", check_scopes)))
    return found


def _require(holds: bool, setting: str, what: str) -> None:
    if not holds:
        raise PreconditionError(f"`{setting}` needs {what}", reason="settings_contradict")


def _prepare(home: Path, session: RegistrySession) -> Peppers:
    peppers = Peppers.open(home)
    if unknown := sorted(pepper for pepper in session.keys.pepper_ids() if not peppers.knows(pepper)):
        _log.warning("pepper_missing", pepper_ids=unknown, hint=f"give this server the file `{FILE}` or {VARIABLE}")
    if not session.keys.list(include_ended=True):
        _make_admin_key(home / ADMIN_KEY_FILE, session, peppers)
    return peppers


def _make_admin_key(file: Path, session: RegistrySession, peppers: Peppers) -> None:
    """The first key, for whoever can read the home; nobody else may make others."""
    spec = KeySpec(name=ADMIN, scopes=EVERY_SCOPE)
    try:
        with session.audit.recording(WHO, "keys.create", ADMIN):
            issued = session.keys.create(spec, peppers=peppers, created_by=WHO)
    except AlreadyExistsError:  # another server on this database was first
        return
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as writing:
        writing.write(f"{issued.key}\n")
    _log.warning("admin_key_created", key_id=issued.key.id, file=str(file))
