"""Image-text models in PyTorch answer as transformers' `generate` does, alone and in company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoModelForImageTextToText

from panope_backends.api import GenerationRequest, ModelFacts, PromptImage, SamplingParams, StepBatch, StepSequence
from panope_backends.engines.torch.decoder.image_text.model import TorchImageTextModel
from panope_backends.engines.torch.decoder.step_models import load_step_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.tasks.generate.images.processor import PromptImageProcessor, load_processor
from panope_backends.testing.vision.image_text_models import IMAGE_TEXT_FAMILIES, tiny_image_text_model

TOKENS = 10


def image(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8))


class Family:
    """One family's model, on both sides."""

    def __init__(self, folder: Path, family: str) -> None:
        torch.set_num_threads(1)  # more of them wait for each other longer than they compute
        self.facts = tiny_image_text_model(folder, family)
        self.folder = folder
        self.processor: PromptImageProcessor = load_processor(folder, self.facts.config)
        self.place = IMAGE_TEXT_FAMILIES[family][0]
        self.model = self.loaded(self.facts)
        self.reference = AutoModelForImageTextToText.from_pretrained(folder).eval()
        self.vocabulary = TokenVocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def loaded(self, facts: ModelFacts) -> TorchImageTextModel:
        model = load_step_model(facts, self.folder, "fp32", 1)
        assert isinstance(model, TorchImageTextModel)
        return model

    def engine(self, blocks: int, **settings: Any) -> GenerationEngine:
        self.model.allocate(blocks)
        decoding = Decoding(self.vocabulary, self.model.vocab_size, (2,))
        return GenerationEngine(self.model, decoding, GenerationSettings(**settings))

    def request(self, number: int, text: str, images: Sequence[Image.Image]) -> tuple[GenerationRequest, list[int]]:
        """A request, and what transformers answers to it."""
        given = {"images": list(images)} if images else {}
        text = text.replace("IMAGE", self.place)
        made = self.processor._processor(text=[text], return_tensors="pt", **given)
        ids = made["input_ids"][0].tolist()
        prepared = [self.processor.prepare(each, "image") for each in images]
        places = np.flatnonzero(np.array(ids) == self.processor.image_token_id)
        counts = [each.text.count(self.processor.placeholder) for each in prepared]
        parts = np.split(places, np.cumsum(counts)[:-1]) if counts else []
        images = [PromptImage(part, each.inputs, each.digest) for part, each in zip(parts, prepared, strict=True)]
        with torch.inference_mode():
            made = {name: torch.as_tensor(value) for name, value in made.items()}
            answered = self.reference.generate(**made, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0)
        greedy = SamplingParams(temperature=0.0)
        request = GenerationRequest(number, tuple(ids), sampling=greedy, max_tokens=TOKENS, images=tuple(images))
        return request, answered[0, len(ids) :].tolist()


@pytest.fixture(scope="module", params=sorted(IMAGE_TEXT_FAMILIES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    return Family(tmp_path_factory.mktemp(request.param), request.param)


def answers(engine: GenerationEngine, requests: Sequence[GenerationRequest], *, apart: int) -> dict[int, list[int]]:
    """What each answers; they join one after another, some steps apart."""
    found: dict[int, list[int]] = {request.id: [] for request in requests}
    waiting, open_requests = list(requests), len(requests)
    while open_requests:
        if waiting:
            engine.submit(waiting.pop(0))
        for _ in range(apart if waiting else 1):
            for delta in engine.deltas(0):
                assert delta.error is None
                found[delta.request_id] += delta.token_ids
                open_requests -= delta.usage is not None
    return found


def test_greedy_answers_are_those_of_generate_in_company_and_alone(family: Family) -> None:
    first, second, tall = image(1), image(2), image(3, 24, 50)
    asked = [
        family.request(0, "<|user|>IMAGE what is it?</s><|assistant|>", [first]),
        family.request(1, "<|user|>IMAGE what is it?</s><|assistant|>", [second]),
        family.request(2, "<|user|>no image</s><|assistant|>", []),
        family.request(3, "IMAGE and IMAGE differ how", [first, tall]),
        family.request(4, "a long beginning " * 4 + "IMAGE", [tall]),
        family.request(5, "<|user|>IMAGE what is it?</s><|assistant|>", [first]),
        family.request(6, "IMAGE and IMAGE differ how", [tall, first]),
        family.request(7, "x IMAGE", [second]),
        family.request(8, "IMAGE what else?", [tall]),
    ]
    expected = {request.id: answer for request, answer in asked}
    assert len({tuple(answer) for answer in expected.values()}) > 4  # images change what is answered
    # So few blocks that those of a higher priority pre-empt others, and steps so short that they end within images.
    longest = max(len(request.prompt_token_ids) for request, _ in asked) + TOKENS
    company = family.engine(2 + -(-longest // 32), slots=9, step_tokens=24, max_step_tokens=24)
    urgent = [replace(request, priority=number % 3) for number, (request, _) in enumerate(asked)]
    assert answers(company, urgent, apart=2) == expected
    assert company.statistics().preemptions
    alone = family.engine(40, slots=1)
    for request, answer in asked[:4]:
        assert answers(alone, [request], apart=1) == {request.id: answer}


def test_a_model_is_proved_and_one_that_differs_is_refused(family: Family) -> None:
    request, _ = family.request(0, "a IMAGE b", [image(1)])
    family.model.prove(request.prompt_token_ids, request.images)
    assert family.model.blocks == 0
    (prompt_image,) = request.images
    name = next(name for name, value in prompt_image.inputs.items() if value.dtype == np.float32)
    tower = family.model._tower
    vectors = tower.vectors
    try:
        tower.vectors = lambda each: vectors(each) + 1  # type: ignore[method-assign]  # another tower
        with pytest.raises(PreconditionError) as refusal:
            family.model.prove(request.prompt_token_ids, [prompt_image])
    finally:
        tower.vectors = vectors  # type: ignore[method-assign]
    assert refusal.value.reason == "unsupported_model"
    with pytest.raises(InvalidInputError) as fewer:
        family.model.open_prompt(0, request.prompt_token_ids, [replace(prompt_image, places=prompt_image.places[1:])])
    assert (fewer.value.field, name in prompt_image.inputs) == ("images", True)


def test_steps_without_their_images_are_refused(family: Family) -> None:
    request, _ = family.request(0, "IMAGE", [image(1)])
    model = family.model
    model.allocate(10)
    count = len(request.prompt_token_ids)
    step = StepSequence(request.prompt_token_ids, 0, range(-(-count // 32)), image_prompt=5)
    with pytest.raises(InvalidInputError) as unknown:
        model.forward(StepBatch.of([step]))
    model.open_prompt(5, request.prompt_token_ids, request.images)
    with pytest.raises(InvalidInputError) as unread:
        model.forward(StepBatch.of([step]))
    assert unknown.value.field == unread.value.field == "image_prompts"
    model.close_prompt(5)
