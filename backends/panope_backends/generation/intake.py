"""What a request must keep to, and what it becomes once it is taken."""

from __future__ import annotations

from panope_backends.api import GenerationRequest
from panope_backends.errors import InvalidInputError
from panope_backends.generation.decoding import Decoding
from panope_backends.generation.drafter import Drafter
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence


def require_fitting(request: GenerationRequest, *, vocab_size: int, max_positions: int, slots: int) -> None:
    """Refuses what no state of the model could run.

    Raises:
        InvalidInputError: `field` names what is wrong.
    """
    prompt = request.prompt_token_ids
    if not 0 <= min(prompt) <= max(prompt) < vocab_size:
        raise InvalidInputError.at(
            "prompt_token_ids", "{field} has ids from 0 to {last:,}, as the vocabulary does", last=vocab_size - 1
        )
    if len(prompt) >= max_positions:
        raise InvalidInputError.at(
            "prompt_token_ids",
            "{field} has {count:,} tokens, which leaves no position for an answer; the model has {limit:,}",
            count=len(prompt),
            limit=max_positions,
        )
    if request.n > slots:
        raise InvalidInputError.at("n", "{field} is at most {limit}", limit=slots)


def activate(
    request: GenerationRequest, decoding: Decoding, *, max_positions: int, number: int, draft_tokens: int
) -> ActiveRequest:
    """The request as the core runs it.

    Args:
        request: one that fits.
        decoding: gives each answer its sampling and its text.
        max_positions: of prompt and answer together.
        number: of the request, in the order of arrival.
        draft_tokens: how many next tokens each answer may guess, where the request does not say.

    Raises:
        InvalidInputError: a field cannot be honoured, such as a grammar that does not compile.
    """
    prompt = request.prompt_token_ids
    room = max_positions - len(prompt)
    guesses = draft_tokens if request.lookup_tokens is None else request.lookup_tokens
    active = ActiveRequest(request, min(room, request.max_tokens or room), open=request.n)
    active.sequences = [
        Sequence(
            active,
            index,
            state,
            (-request.priority, number, index),
            list(prompt),
            Drafter(guesses, request.lookup_max_ngram) if guesses else None,
        )
        for index, state in enumerate(decoding.start(request))
    ]
    return active
