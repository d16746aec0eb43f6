"""Cuts text that is too long to be repeated: what a caller wrote must not make an answer or a line of the log grow."""

from __future__ import annotations

_MARK = "…"


def cut(text: str, max_bytes: int) -> str:
    """The text, or its beginning and its end, of at most so many bytes of UTF-8.

    The end is kept because sentences name what a caller wrote first and say what is wrong with it, and the limit, last.

    Args:
        text: any text; what cannot be encoded is replaced.
        max_bytes: at least 16.
    """
    # A character is at most four bytes, so most texts need no second look.
    if len(text) * 4 <= max_bytes and text.isascii():
        return text
    # The rest of a very long text is never encoded.
    kept = text if len(text) <= 2 * max_bytes else text[:max_bytes] + text[-max_bytes:]
    data = kept.encode(errors="replace")
    if len(data) <= max_bytes:
        return data.decode()
    room = max_bytes - len(_MARK.encode())
    head, tail = data[: room - room // 3], data[len(data) - room // 3 :]
    return head.decode(errors="ignore") + _MARK + tail.decode(errors="ignore")
