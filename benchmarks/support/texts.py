"""Seeded texts of known lengths."""

from __future__ import annotations

import random

WORDS = """
the of and to in is that for it was on are as with his they at be this from have or by one had not but what
all were when we there can an your which their said if do will each about how up out them then she many some
so these would other into has more her two like him see time could no make than first been its who now people
my made over did down only way find use may water long little very after words called just where most know
server model vector language river mountain engine library question answer morning station history paper
window garden bridge signal
""".split()


def texts_of(count: int, words: tuple[int, int], seed: int = 7) -> list[str]:
    """`count` texts, each of a random number of words within `words`, inclusive, in random order."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(*words))) for _ in range(count)]
