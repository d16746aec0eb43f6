"""What a call took, as OpenAI's routes tell it."""

from __future__ import annotations

from typing import TypedDict

from panope_server.tasks.generate.types import GenerateUsage


class PromptDetailsJson(TypedDict):
    """Of the tokens of prompts, those that were found computed already."""

    cached_tokens: int


class CompletionDetailsJson(TypedDict):
    """Of the tokens of answers, those of reasoning."""

    reasoning_tokens: int


class GenerationUsageJson(TypedDict):
    """What a call took, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetailsJson
    completion_tokens_details: CompletionDetailsJson


def usage_json(usage: GenerateUsage | None) -> GenerationUsageJson:
    """What a call took."""
    told = usage or GenerateUsage(0, 0)
    return {
        "prompt_tokens": told.prompt_tokens,
        "completion_tokens": told.completion_tokens,
        "total_tokens": told.prompt_tokens + told.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning_tokens},
    }
