"""Where answers stand in their contexts, whatever a tokenizer does with the blanks before words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tokenizers import Encoding, Tokenizer, models, pre_tokenizers, processors

from panope_backends.tasks.question_answer.spans import Span
from panope_backends.tasks.question_answer.windows import WindowMaker, WindowSizes

CONTEXT = "Ada wrote the first program in 1843, in London."
SPECIAL = {"<s>": 0, "</s>": 1, "<unk>": 2}


class RobertaTokenizer:
    """Tokens as RoBERTa has them: a blank belongs to the word behind it.

    Args:
        side: where it pads; on the left the context comes first.
    """

    def __init__(self, side: str) -> None:
        words = ["Ada", *(f"Ġ{word}" for word in "wrote the first program in 1843 London".split()), ",", "."]
        words += ["W", "Ġ", *"abcdefghijklmnopqrstuvwxyz?"]
        vocabulary = SPECIAL | {word: len(SPECIAL) + at for at, word in enumerate(dict.fromkeys(words))}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
        self._tokenizer = tokenizer
        self.padding_side = side
        self.pair_tokens = tokenizer.num_special_tokens_to_add(True)

    def encode_apart(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def joined(self, first: Encoding, second: Encoding) -> Encoding:
        return self._tokenizer.post_process(first, second, True)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("by_words", [True, False])
@pytest.mark.parametrize("stride", [0, 2])
def test_an_answer_has_every_letter_of_its_words_and_no_blank_before_them(
    side: str, by_words: bool, stride: int
) -> None:
    maker = WindowMaker(RobertaTokenizer(side), 64, 100)  # type: ignore[arg-type]
    windows = maker.windows("Who wrote", CONTEXT, 0, WindowSizes(tokens=10, stride=stride))
    found = []
    for window in windows:
        positions = window.context.nonzero()[0].tolist()
        places = [window.place(Span(at, at, 1.0), by_words=by_words) for at in positions]
        found += [CONTEXT[start:end] for start, end in places]
    words = ["Ada", "wrote", "the", "first", "program", "in", "1843", ",", "in", "London", "."]
    assert len(windows) > 2
    assert set(found) == set(words)
    if stride == 0:
        assert found == words
