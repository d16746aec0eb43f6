"""What a caller says of kept answers: HTTP's own header, in gRPC's metadata too, and the Inference API's."""

from __future__ import annotations

from collections.abc import Mapping

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import NO_STORE, CacheControl

HEADER = "cache-control"

#: The Inference API's word: `false` computes the answer and keeps nothing.
USE_CACHE = "x-use-cache"

_MAX_DIGITS = 10


def cache_control_of(metadata: Mapping[str, str]) -> CacheControl:
    """What a call's headers say; directives that are none of `no-cache`, `no-store` and `max-age` say nothing here.

    Raises:
        InvalidInputError: an age that is no number of seconds, or a word that is neither `true` nor `false`.
    """
    use_cache = metadata.get(USE_CACHE)
    if use_cache is not None and use_cache not in ("", "true", "false"):
        raise InvalidInputError(f"`{USE_CACHE}` must be `true` or `false`", field=USE_CACHE)
    if use_cache == "false":
        return NO_STORE
    header = metadata.get(HEADER)
    return CacheControl() if header is None else _read(header)


def _read(header: str) -> CacheControl:
    directives = {}
    for directive in header.lower().split(","):
        name, _, value = directive.partition("=")
        directives[name.strip()] = value.strip().strip('"')
    if "no-store" in directives:
        return NO_STORE
    age = directives.get("max-age")
    if age is not None and not (age.isascii() and age.isdecimal() and len(age) <= _MAX_DIGITS):
        raise InvalidInputError("`max-age` of `cache-control` must be a number of seconds", field=HEADER)
    return CacheControl(may_answer="no-cache" not in directives, max_age_seconds=None if age is None else float(age))
