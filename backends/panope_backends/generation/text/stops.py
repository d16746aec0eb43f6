"""Texts that end an answer, found as the answer comes.

The answer ends with the first character that completes any of the texts; of those that it completes the longest counts.
So the result does not depend on how the answer was split. An automaton (Aho–Corasick) looks at each character once,
however many the texts are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache


class StopTexts:
    """An automaton over several texts; its states are the beginnings of the texts, 0 is the empty one.

    Attributes:
        depths: characters of each state.
        matches: characters of the longest text that each state ends with; 0 for none.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.depths = [0]
        self.matches = [0]
        self._next: list[dict[str, int]] = [{}]
        self._fallbacks = [0]
        for text in texts:
            self._add(text)
        self._link()

    def step(self, state: int, character: str) -> int:
        """The longest beginning of a text that ends with `character`, after `state`."""
        while character not in self._next[state] and state:
            state = self._fallbacks[state]
        return self._next[state].get(character, 0)

    def _add(self, text: str) -> None:
        state = 0
        for depth, character in enumerate(text, 1):
            if character not in self._next[state]:
                self._next[state][character] = len(self._next)
                self._next.append({})
                self._fallbacks.append(0)
                self.depths.append(depth)
                self.matches.append(0)
            state = self._next[state][character]
        self.matches[state] = len(text)

    def _link(self) -> None:
        """Finds for each state the longest other one that it ends with, shorter states first."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            self.matches[state] = self.matches[state] or self.matches[self._fallbacks[state]]
            for character, longer in self._next[state].items():
                self._fallbacks[longer] = self.step(self._fallbacks[state], character)
                waiting.append(longer)


@lru_cache(maxsize=16)
def stop_texts(texts: tuple[str, ...]) -> StopTexts:
    """The automaton, made once for the `n` answers of a request."""
    return StopTexts(texts)


class StopScanner:
    """Lets the text of one answer through, up to what a stop text may still take away.

    Attributes:
        found: the text that ended the answer; None while none has.
    """

    def __init__(self, texts: Sequence[str], *, include_stop: bool = False) -> None:
        self.found: str | None = None
        self._has_texts = bool(texts)
        self._texts = stop_texts(tuple(texts))
        self._includes = include_stop
        self._state = 0
        self._held_back = ""

    def push(self, text: str, *, may_stop: bool = True) -> str:
        """What of the answer is certain.

        Args:
            text: what the answer has more.
            may_stop: whether a stop text that ends in here counts; one that only begins in here does anyhow.
        """
        if not self._has_texts:
            return text
        known = len(self._held_back)
        whole = self._held_back + text
        for end, character in enumerate(text, known + 1):
            self._state = self._texts.step(self._state, character)
            if may_stop and (length := self._texts.matches[self._state]):
                return self._stop(whole, end - length, end)
        certain = len(whole) - self._texts.depths[self._state]
        self._held_back = whole[certain:]
        return whole[:certain]

    def finish(self) -> str:
        """What was held back, once nothing more comes."""
        rest, self._held_back = self._held_back, ""
        return rest

    def _stop(self, whole: str, begin: int, end: int) -> str:
        self.found = whole[begin:end]
        self._held_back = ""
        return whole[: end if self._includes else begin]
