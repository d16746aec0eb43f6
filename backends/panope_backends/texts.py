"""How many characters texts may have before anybody makes tokens of them: the server and the worker count alike.

Tokenising costs a microsecond and two hundred bytes for each character, and only its end tells how long a text is.
"""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import InvalidInputError

#: Characters for each token that a model takes. Words have 4 to 6 for each; what has 64 is blank, or no text.
CHARACTERS_PER_TOKEN = 64

#: Of all texts of one call for tokens, whose answer tells each token and where it stands.
TOKENIZE_CHARACTERS = 1 << 20


def most_characters(max_tokens: int, ceiling: int = 0) -> int:
    """Of one text, for a model that takes so many tokens.

    Args:
        max_tokens: that it takes.
        ceiling: more characters than its tokenizer takes in any case; 0 for none.
    """
    most = max_tokens * CHARACTERS_PER_TOKEN
    return min(most, ceiling) if ceiling else most


def check_characters(texts: Sequence[str], max_tokens: int, *, first_index: int = 0, ceiling: int = 0) -> None:
    """Refuses a text that is too long for a model, whatever its tokens are.

    Args:
        texts: of the call, or some of them.
        max_tokens: that the model takes.
        first_index: the position in the call of the first of the texts.
        ceiling: as of `most_characters`.

    Raises:
        InvalidInputError: names the text and the limit.
    """
    most = most_characters(max_tokens, ceiling)
    for index, text in enumerate(texts, first_index):
        if len(text) > most:
            raise InvalidInputError.at(
                f"texts[{index}]",
                "{field} has {count:,} characters; with at most {tokens:,} tokens the model takes {limit:,}",
                count=len(text),
                tokens=max_tokens,
                limit=most,
            )


def check_tokenize(texts: Sequence[str], max_tokens: int, *, ceiling: int = 0) -> None:
    """Refuses texts whose tokens are not told in one call.

    Args:
        texts: of the call.
        max_tokens: that the model takes; 0 when it has no limit.
        ceiling: as of `most_characters`.

    Raises:
        InvalidInputError: names the text, or all of them, and the limit.
    """
    if max_tokens:
        check_characters(texts, max_tokens, ceiling=ceiling)
    if (total := sum(map(len, texts))) > TOKENIZE_CHARACTERS:
        raise InvalidInputError.at(
            "texts",
            "{field} has {count:,} characters in all; one call tells the tokens of {limit:,}",
            count=total,
            limit=TOKENIZE_CHARACTERS,
        )
