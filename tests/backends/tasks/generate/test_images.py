"""Conversations with images: the prompt that a model's own processor makes, and what is refused by its name."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panope.worker.v1 import generate_pb2 as messages
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.api import ModelFacts
from panope_backends.engines.torch.decoder.image_text.model import TorchImageTextModel
from panope_backends.engines.torch.decoder.step_models import load_step_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.generate.images.processor import load_processor
from panope_backends.testing.vision.image_text_models import tiny_image_text_model


def image(seed: int, side: int = 40) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 255, (side, side, 3), dtype=np.uint8))


def file_of(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("llava")
    tiny_image_text_model(made, "llava")
    return made


@pytest.fixture(scope="module")
def load(loaded_from: Callable[..., Any], folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Any]:
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/llava", "safetensors", "generate", config["architectures"][0], config)
    limits = MediaLimits(max_image_bytes=100_000, max_image_pixels=10_000)
    cache = tmp_path_factory.mktemp("cache")
    return lambda: loaded_from(
        folder, cache, lambda options: load_step_model(facts, folder, "fp32", 1, options), media_limits=limits
    )


@pytest.fixture(scope="module")
def model(load: Callable[[], Any]) -> Iterator[Any]:
    made = load()
    yield made
    made.task.close()


def talk(*contents: Any, images: Any = (), **fields: Any) -> dict[str, Any]:
    said = [{"role": "user" if place % 2 == 0 else "assistant", "content": each} for place, each in enumerate(contents)]
    made = [each if isinstance(each, ImageMessage) else ImageMessage(content=file_of(each)) for each in images]
    conversation = messages.Conversation(messages_json=json.dumps(said).encode(), images=made, **fields)
    return {"conversation": conversation, "max_tokens": 6}


IMAGE = {"type": "image"}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_the_prompt_is_that_of_the_models_own_processor(model: Any, folder: Path) -> None:
    images = [image(1), image(2, 50), image(1)]
    contents = [[text("a"), IMAGE, text("b"), IMAGE], "so?", [IMAGE, text("and?")]]
    job = model.job(**talk(*contents, images=images))
    said = [
        {"role": "user", "content": [text("a"), {"type": "image", "image": images[0]}, text("b"), dict(IMAGE)]},
        {"role": "assistant", "content": [text("so?")]},
        {"role": "user", "content": [{"type": "image", "image": images[2]}, text("and?")]},
    ]
    said[0]["content"][3] = {"type": "image", "image": images[1]}  # type: ignore[index]  # a list
    processor = load_processor(folder, {"model_type": "llava"})._processor
    expected = processor.apply_chat_template(said, tokenize=True, return_dict=True, add_generation_prompt=True)
    (request,) = job.requests
    assert list(request.prompt_token_ids) == expected["input_ids"][0]
    assert len(request.images) == 3
    assert request.images[0].digest == request.images[2].digest != request.images[1].digest
    pixels = np.concatenate([image.inputs["pixel_values"] for image in request.images])
    assert np.array_equal(pixels, np.asarray(expected["pixel_values"]))


def test_usage_counts_the_tokens_of_images_and_answers_depend_on_them(model: Any) -> None:
    asked = [talk([IMAGE, text("what?")], images=[image(seed)]) for seed in (1, 2, 1)]
    first, second, again = (model.run(**each)[-1] for each in asked)
    assert first.usage.prompt_tokens == len(model.job(**asked[0]).requests[0].prompt_token_ids) > 9
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, 0)
    assert first.deltas[0].token_ids == again.deltas[0].token_ids != second.deltas[0].token_ids
    assert "images" in model.facts.honoured


def test_texts_alone_are_answered_too(model: Any) -> None:
    assert model.answer(**talk("what?")).token_ids
    assert model.answer(prompts=["what?"], max_tokens=3).token_ids


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        (talk("is <image> a tag?"), "messages[0]", "<image>"),
        (talk([text("<image>"), IMAGE], images=[image(1)]), "messages[0]", "<image>"),
        (talk("a", [text("b <image>")]), "messages[1]", "<image>"),
        (talk([IMAGE, IMAGE], images=[image(1)]), "messages", "2 parts"),
        (talk("a", images=[image(1)]), "messages", "1 files"),
        (talk([text("a"), IMAGE], images=[ImageMessage(content=b"GIF89a")]), "messages[0].content[1]", "broken"),
        (talk([IMAGE], images=[ImageMessage(data_url="data:,x")]), "messages[0].content[0]", "data:"),
        (talk([IMAGE], images=[image(1, 101)]), "messages[0].content[0]", "10,201"),
        (talk([IMAGE] * 60, images=[image(1, 8)] * 60), "messages[0].content[44]", "context"),
        ({**talk([IMAGE], images=[image(1)]), "truncate_prompt_tokens": 3}, "truncate_prompt_tokens", "images"),
        (talk([{"type": "image_url", "image_url": "data:,"}]), "messages[0].content[0]", "not text"),
    ],
)
def test_what_is_wrong_with_images_is_told_by_its_place(
    model: Any, asked: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        model.job(**asked)
    assert (refusal.value.field, words in refusal.value.message) == (field, True), refusal.value


def test_a_place_without_an_image_is_refused_in_prompts(model: Any) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        model.run(prompts=["a <image> b"], max_tokens=2)
    assert refusal.value.field == "images"


def test_a_message_is_continued_behind_its_image(model: Any) -> None:
    said = [IMAGE, text("what?")], [text("It is")]
    (request,) = model.job(**talk(*said, images=[image(1)], continue_final_message=True)).requests
    (whole,) = model.job(**talk(*said, images=[image(1)])).requests
    count = len(request.prompt_token_ids)
    assert request.prompt_token_ids == whole.prompt_token_ids[:count]


def test_a_model_whose_images_differ_answers_texts_and_says_why_no_images(
    load: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(*_: Any) -> None:
        raise PreconditionError("images of this model are not read: they differ", reason="unsupported_model")

    monkeypatch.setattr(TorchImageTextModel, "prove", differs)
    texts = load()
    assert texts.answer(**talk("what?")).token_ids
    assert "images" not in texts.facts.honoured
    with pytest.raises(InvalidInputError) as refusal:
        texts.job(**talk([text("a"), IMAGE], images=[image(1)]))
    assert (refusal.value.field, refusal.value.reason) == ("messages[0].content[1]", "unsupported_content")
    assert "they differ" in refusal.value.message
    texts.task.close()
