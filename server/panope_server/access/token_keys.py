"""An issuer's keys (JWKS) in a file, read anew each time that Envoy asks: it would read a file at its start alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from panope_backends.errors import PreconditionError

_log = structlog.get_logger("panope.access")

#: Keys of one issuer are some hundred bytes each.
MAX_BYTES = 1 << 20


class _KeySet(msgspec.Struct):
    keys: list[dict[str, object]]


class TokenKeys:
    """The keys of a file; those that it had last while it has none.

    Args:
        file: of a JSON Web Key Set.

    Raises:
        PreconditionError: the file has no keys.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._failure = ""
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            _log.error("token_keys_rejected", error=str(error))
            raise PreconditionError(
                "`access.jwt.jwks` names a file that is no JSON Web Key Set of a key or more", reason="no_token_keys"
            ) from None

    def read(self) -> bytes:
        """The keys as JSON. It reads the file, so not on the event loop."""
        try:
            keys = self._read()
        except (OSError, ValueError) as error:
            if (failure := str(error)) != self._failure:
                _log.error("token_keys_rejected", error=failure)
            self._failure = failure
            return self._keys
        if keys != self._keys or self._failure:
            _log.info("token_keys_changed")
        self._keys, self._failure = keys, ""
        return keys

    def _read(self) -> bytes:
        with self._file.open("rb") as reading:
            text = reading.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        if not msgspec.json.decode(text, type=_KeySet).keys:
            raise ValueError("it has no keys")
        return text
