"""How an answer goes on and ends: a token that was drawn becomes a delta."""

from __future__ import annotations

from panope_backends.api import FinishReason, GenerationUsage, TokenDelta, TokenLogprobs
from panope_backends.errors import PanopeError
from panope_backends.generation.sampling.sampler import SampledToken
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence


def continue_answer(sequence: Sequence, drawn: SampledToken) -> TokenDelta:
    """Adds a token to an answer and ends it where the token does, or where there is no room for another."""
    request = sequence.request
    token_id = drawn.token_id
    sequence.tokens.append(token_id)
    request.completion_tokens += 1
    sequence.state.sampling.append(token_id)
    new = sequence.state.stream.push((token_id,))
    text, finish_reason = new.text, new.finish_reason
    if finish_reason is None and sequence.answer_length >= request.limit:
        text += sequence.state.stream.finish()
        finish_reason = FinishReason.LENGTH
    return TokenDelta(
        request.given.id,
        sequence.index,
        (token_id,),
        text,
        () if drawn.logprobs is None else (drawn.logprobs,),
        _prompt_logprobs(sequence),
        finish_reason,
        new.stop_reason,
        _end(sequence) if finish_reason else None,
    )


def end_answer(sequence: Sequence, reason: FinishReason, error: PanopeError | None = None) -> TokenDelta:
    """Ends an answer without another token."""
    usage = _end(sequence)
    return TokenDelta(sequence.request.given.id, sequence.index, finish_reason=reason, usage=usage, error=error)


def _prompt_logprobs(sequence: Sequence) -> tuple[TokenLogprobs, ...]:
    """Those of the request, once, with the first answer."""
    request = sequence.request
    if sequence.index or not request.prompt_logprobs:
        return ()
    logprobs, request.prompt_logprobs = tuple(request.prompt_logprobs), []
    return logprobs


def _end(sequence: Sequence) -> GenerationUsage | None:
    """Marks the end of an answer; what the request took, when it was the last."""
    request: ActiveRequest = sequence.request
    sequence.has_ended = True
    request.open -= 1
    if request.open:
        return None
    return GenerationUsage(len(request.given.prompt_token_ids), request.completion_tokens, request.cached_tokens or 0)
