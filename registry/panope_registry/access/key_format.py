"""How an API key is written: `panope_KEYID_SECRET_CHECKSUM`.

The prefix lets scanners of code find keys that got there; the checksum lets clients and servers tell a key that was
copied wrong without asking anybody (GitHub's format of 2021). The id is public and stands in logs; the secret has
190 bits, so that a fast hash of it is enough.
"""

from __future__ import annotations

import secrets
import string
import zlib
from dataclasses import dataclass

PREFIX = "panope_"
ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
LENGTH = len(PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + 1 + CHECKSUM_LENGTH

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: Two digits at a time, for each call has a key.
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_ALLOWED = frozenset(_DIGITS)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in its parts; `str` is what its owner gets, once."""

    id: str
    secret: str

    @classmethod
    def generate(cls, key_id: str = "") -> ApiKey:
        """Makes a new one, or a new secret for the key of an id."""
        return cls(key_id or _random(ID_LENGTH), _random(SECRET_LENGTH))

    @classmethod
    def parse(cls, text: str) -> ApiKey | None:
        """Reads one; None for what is none, or was copied wrong."""
        if len(text) != LENGTH or not text.startswith(PREFIX):
            return None
        head, checksum = text[: -CHECKSUM_LENGTH - 1], text[-CHECKSUM_LENGTH:]
        key_id, secret = head[len(PREFIX) : len(PREFIX) + ID_LENGTH], head[-SECRET_LENGTH:]
        if head != f"{PREFIX}{key_id}_{secret}" or not _ALLOWED.issuperset(key_id + secret):
            return None
        return cls(key_id, secret) if text[len(head)] == "_" and checksum == _checksum(head) else None

    @staticmethod
    def id_in(text: str) -> str:
        """The id in a text that looks like a key, whatever the rest of it is worth; empty in others."""
        looks_like = len(text) == LENGTH and text.startswith(PREFIX) and text.isascii()
        return text[len(PREFIX) : len(PREFIX) + ID_LENGTH] if looks_like else ""

    def __str__(self) -> str:
        """The whole key."""
        head = f"{PREFIX}{self.id}_{self.secret}"
        return f"{head}_{_checksum(head)}"

    def __repr__(self) -> str:
        """Without its secret, for it may get into a log."""
        return f"ApiKey({self.id})"


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH // 2):
        number, pair = divmod(number, len(_PAIRS))
        digits = _PAIRS[pair] + digits
    return digits
