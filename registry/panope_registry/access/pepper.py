"""The peppers: what secrets of keys are hashed with, kept apart from the database that holds the hashes.

Whoever copies the database alone can neither use nor test a key. Peppers lie in the file `pepper` of the home, one a
line, or are the variable `PANOPE_PEPPER`, with commas between them, as servers need that share a database and no home.
The last one hashes new secrets; the others are there for the keys that they hashed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from panope_backends.errors import PreconditionError

VARIABLE = "PANOPE_PEPPER"
FILE = "pepper"

_PEPPER = re.compile(r"[0-9a-f]{64}")
_OWNER_ONLY = 0o600


class Peppers:
    """Hashes secrets.

    Args:
        peppers: the newest last; each 64 hexadecimal digits.

    Raises:
        PreconditionError: there is none, or one is not such.
    """

    def __init__(self, peppers: list[str]) -> None:
        if not peppers or not all(_PEPPER.fullmatch(pepper) for pepper in peppers):
            raise PreconditionError(
                f"a pepper must be 64 hexadecimal digits: see the home's file `{FILE}`, or the variable `{VARIABLE}`",
                reason="invalid_pepper",
            )
        self._keys = {_id_of(pepper): bytes.fromhex(pepper) for pepper in peppers}
        self.newest = _id_of(peppers[-1])

    @classmethod
    def open(cls, home: Path, environment: Mapping[str, str] | None = None) -> Peppers:
        """Those of the variable, or else of the home's file, which is made if it is missing.

        Raises:
            PreconditionError: they are not such, or others may read the file.
        """
        told = (os.environ if environment is None else environment).get(VARIABLE, "")
        return cls(told.split(",") if told else _of_file(home / FILE))

    def knows(self, pepper_id: str) -> bool:
        """Whether it is here, so that what it hashed can be checked."""
        return pepper_id in self._keys

    def digest(self, secret: str, pepper_id: str = "") -> str:
        """The hash of a secret, by the newest pepper unless one is named; '' when that is not here."""
        key = self._keys.get(pepper_id or self.newest)
        return "" if key is None else hmac.digest(key, secret.encode(), "sha256").hex()


def _id_of(pepper: str) -> str:
    """Tells peppers apart and tells nothing of them."""
    return hashlib.sha256(b"panope pepper " + pepper.encode()).hexdigest()[:8]


def _of_file(file: Path) -> list[str]:
    try:
        if not file.exists():
            _make(file)
        if file.stat().st_mode & 0o077:
            raise PreconditionError(
                f"others can read the file `{FILE}` of the home: make it private by `chmod 600`",
                reason="pepper_readable",
            )
        return file.read_text().split()
    except (OSError, UnicodeDecodeError):
        raise PreconditionError(f"the file `{FILE}` of the home cannot be read", reason="pepper_unreadable") from None


def _make(file: Path) -> None:
    """Whole at once: of two processes that make it, one wins and both read the same."""
    draft = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w") as writing:
            writing.write(f"{secrets.token_hex(32)}\n")
            writing.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
