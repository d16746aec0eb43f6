"""Segments of a window, told by the timestamps that the model wrote among its tokens.

The algorithm is OpenAI's for long audio, as transformers has it (`WhisperGenerationMixin._retrieve_segment`): the next
window begins at the last timestamp of a finished segment, and what was written behind it is written again.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

TIMESTAMP_SECONDS = 0.02
"""From one timestamp token to the next."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a window.

    Attributes:
        start: seconds from the start of the window.
        end: as above.
        tokens: its tokens, timestamps included.
        first: the first of them, by its index in the window.
    """

    start: float
    end: float
    tokens: Sequence[int]
    first: int = 0


def segments_of(tokens: Sequence[int], first_timestamp: int, window_seconds: float) -> tuple[list[Segment], float]:
    """The segments of a window, and the seconds from its start to that of the next window.

    Args:
        tokens: that the model wrote, without the one that ends.
        first_timestamp: the token of 0 seconds; those above are timestamps too.
        window_seconds: of the audio in the window, which may be less than it holds.
    """
    stamps = [token >= first_timestamp for token in tokens]
    ends_singly = stamps[-2:] == [False, True]
    ends = [place + 1 for place in range(len(stamps) - 1) if stamps[place] and stamps[place + 1]]
    if not ends:
        last = next((token for token in reversed(tokens) if token >= first_timestamp), first_timestamp)
        end = (last - first_timestamp) * TIMESTAMP_SECONDS if last != first_timestamp else window_seconds
        return [Segment(0.0, end, tokens)], window_seconds
    if ends_singly:
        ends.append(len(tokens))
    found: list[Segment] = []
    begin = 0
    for end in ends:
        piece = tokens[begin:end]
        found.append(Segment(_seconds(piece[0], first_timestamp), _seconds(piece[-1], first_timestamp), piece, begin))
        begin = end
    if ends_singly:  # no speech after the last timestamp
        return found, window_seconds
    return found, _seconds(tokens[begin - 1], first_timestamp) or window_seconds


def compression_ratio(text: str) -> float:
    """Bytes of a text for each byte of it compressed, which is high where a model repeats itself; 0 for no text."""
    whole = text.encode()
    return len(whole) / len(zlib.compress(whole)) if whole else 0.0


def _seconds(token: int, first_timestamp: int) -> float:
    return max(0, token - first_timestamp) * TIMESTAMP_SECONDS
