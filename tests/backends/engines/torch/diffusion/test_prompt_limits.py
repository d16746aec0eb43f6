"""A prompt that a pipeline would read the beginning of is refused; diffusers cuts it and draws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from panope.worker.v1.image_generation_pb2 import ImageGenerationInput
from panope.worker.v1.video_generation_pb2 import VideoGenerationInput
from panope_backends.api import DiffusionFacts
from panope_backends.engines.torch.diffusion.prompt_limits import PromptLimits
from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.image_generation.requests import ImageRequests
from panope_backends.tasks.video_generation.module import VideoRequests


class Words:
    """A tokenizer of words, between two marks."""

    def __init__(self, model_max_length: int) -> None:
        self.model_max_length = model_max_length

    def __call__(self, text: str, **asked: bool) -> Any:
        assert asked == {"truncation": False, "padding": False, "verbose": False}
        return SimpleNamespace(input_ids=[0, *range(len(text.split())), 0])


class CLIPWords(Words):
    """As CLIP's are called."""


class Pipeline:
    def __init__(self, *tokenizers: Words | None) -> None:
        names = ("tokenizer", "tokenizer_2", "tokenizer_3")
        for name, tokenizer in zip(names, tokenizers, strict=False):
            setattr(self, name, tokenizer)

    def __call__(self, prompt: str) -> None: ...


class LimitedPipeline(Pipeline):
    def __call__(self, prompt: str, max_sequence_length: int = 20) -> None: ...


@pytest.mark.parametrize(
    ("pipeline", "limit"),
    [
        (Pipeline(CLIPWords(7)), 7),
        (Pipeline(CLIPWords(7), CLIPWords(9)), 9),
        (LimitedPipeline(CLIPWords(7)), 7),
        (LimitedPipeline(CLIPWords(7), Words(512)), 20),
        (LimitedPipeline(CLIPWords(7), None, Words(512)), 20),
        (LimitedPipeline(Words(512)), 20),
        (Pipeline(Words(12)), 12),
    ],
    ids=["clip", "two", "clip alone", "flux", "one left out", "t5", "of its own"],
)
def test_the_tokenizer_that_reads_most_says_how_long_a_prompt_may_be(pipeline: Pipeline, limit: int) -> None:
    limits = PromptLimits(pipeline)
    assert limits.excess("") is None
    assert limits.excess("fox " * (limit - 2)) is None
    assert limits.excess("fox " * (limit - 1)) == (limit + 1, limit)


@pytest.mark.parametrize("pipeline", [Pipeline(), Pipeline(Words(10**30))], ids=["no tokenizer", "no limit"])
def test_a_pipeline_that_tells_no_limit_has_none(pipeline: Pipeline) -> None:
    assert PromptLimits(pipeline).excess("fox " * 5_000) is None


FACTS = DiffusionFacts(
    pipeline="Tiny",
    inputs=frozenset({"text"}),
    honoured=frozenset({"negative_prompt", "guidance_scale"}),
    multiple=8,
    width=64,
    height=64,
    steps=2,
    guidance_scale=7.5,
    checks_safety=False,
)


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("requests", "message"),
    [(ImageRequests, ImageGenerationInput(count=1, output_format="png")), (VideoRequests, VideoGenerationInput())],
    ids=["image", "video"],
)
def test_what_would_be_cut_is_refused_by_its_name_with_both_numbers(requests: Any, message: Any, field: str) -> None:
    model = SimpleNamespace(facts=FACTS, excess=PromptLimits(Pipeline(CLIPWords(7))).excess)
    wanted = type(message)()
    wanted.CopyFrom(message)
    wanted.prompt = "a fox"
    prepare = requests(model, MediaLimits()).prepare
    prepare(wanted.SerializeToString())
    setattr(wanted, field, "a fox " * 3)
    with pytest.raises(InvalidInputError, match="has 8 tokens; the model reads at most 7") as refused:
        prepare(wanted.SerializeToString())
    assert (refused.value.field, refused.value.reason) == (field, "context_length_exceeded")
