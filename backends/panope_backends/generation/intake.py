"""What a request must keep to, and what it becomes once it is taken."""

from __future__ import annotations

from panope_backends.api import GenerationRequest
from panope_backends.errors import InvalidInputError
from panope_backends.generation.decoding import Decoding
from panope_backends.generation.drafter import Drafter
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence


def require_fitting(
    request: GenerationRequest, *, vocab_size: int, max_positions: int, slots: int, max_source_length: int = 0
) -> None:
    """Refuses what no state of the model could run.

    Args:
        request: to be taken.
        vocab_size: of the model.
        max_positions: of what an answer goes on from and the answer together.
        slots: of the model.
        max_source_length: of a prompt that an encoder reads; 0 for a model without one.

    Raises:
        InvalidInputError: `field` names what is wrong.
    """
    begin = "decoder_token_ids" if request.decoder_token_ids else "prompt_token_ids"
    for name in ("prompt_token_ids", "decoder_token_ids"):
        ids = getattr(request, name)
        if ids and not 0 <= min(ids) <= max(ids) < vocab_size:
            raise InvalidInputError.at(
                name, "{field} has ids from 0 to {last:,}, as the vocabulary does", last=vocab_size - 1
            )
    if max_source_length and len(request.prompt_token_ids) > max_source_length:
        raise InvalidInputError.at(
            "prompt_token_ids",
            "{field} has {count:,} tokens; the model's encoder reads {limit:,} at most",
            count=len(request.prompt_token_ids),
            limit=max_source_length,
        )
    if len(request.context_token_ids) >= max_positions:
        raise InvalidInputError.at(
            begin,
            "{field} has {count:,} tokens, which leaves no position for an answer; the model has {limit:,}",
            count=len(request.context_token_ids),
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
    prompt = request.context_token_ids
    room = max_positions - len(prompt)
    unread = len(request.prompt_token_ids) if request.decoder_token_ids else 0
    guesses = draft_tokens if request.lookup_tokens is None else request.lookup_tokens
    limit = min(room, request.max_tokens or room)
    active = ActiveRequest(request, limit, open=request.n, unread_tokens=unread)
    active.sequences = [
        Sequence(
            active,
            index,
            state,
            (-request.priority, number, index),
            list(prompt),
            Drafter(guesses, request.lookup_max_ngram) if guesses else None,
        )
        for index, state in enumerate(decoding.start(request, limit))
    ]
    return active
