"""Parts of answers as whole answers."""

from __future__ import annotations

from collections.abc import Sequence

from panope_server.tasks.generate.types import GenerateDelta, GenerateOutput, GenerateUsage, ToolCallDelta


def join_parts(parts: Sequence[GenerateOutput]) -> GenerateOutput:
    """One delta for each answer, in the order of prompts and answers, and the usage of all."""
    pieces: dict[tuple[int, int], list[GenerateDelta]] = {}
    for part in parts:
        for delta in part.deltas:
            pieces.setdefault((delta.prompt_index, delta.index), []).append(delta)
    usages = [part.usage for part in parts if part.usage is not None]
    return GenerateOutput([_joined(pieces[place]) for place in sorted(pieces)], _sum(usages) if usages else None)


def _joined(pieces: Sequence[GenerateDelta]) -> GenerateDelta:
    if len(pieces) == 1 and not _has_split_calls(pieces[0].tool_calls):
        return pieces[0]
    last = pieces[-1]
    return GenerateDelta(
        prompt_index=last.prompt_index,
        index=last.index,
        text="".join(piece.text for piece in pieces),
        reasoning="".join(piece.reasoning for piece in pieces),
        tool_calls=_joined_calls([call for piece in pieces for call in piece.tool_calls]),
        token_ids=[token for piece in pieces for token in piece.token_ids],
        logprobs=[logprob for piece in pieces for logprob in piece.logprobs],
        prompt_logprobs=[logprob for piece in pieces for logprob in piece.prompt_logprobs],
        finish_reason=last.finish_reason,
        stop=last.stop,
        first_prompt_token=pieces[0].first_prompt_token,
    )


def _has_split_calls(calls: Sequence[ToolCallDelta]) -> bool:
    return len({call.index for call in calls}) < len(calls)


def _joined_calls(pieces: Sequence[ToolCallDelta]) -> list[ToolCallDelta]:
    calls: dict[int, ToolCallDelta] = {}
    for piece in pieces:
        call = calls.setdefault(piece.index, ToolCallDelta(piece.index))
        call.id, call.name = call.id or piece.id, call.name or piece.name
        call.arguments += piece.arguments
    return [calls[index] for index in sorted(calls)]


def _sum(usages: Sequence[GenerateUsage]) -> GenerateUsage:
    return GenerateUsage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
    )
