"""Models that write of images give what transformers' own generation gives on the same weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.colour_reader import png
from tests.library_captions import library_caption
from transformers import AutoTokenizer

from panope.worker.v1 import generate_pb2 as messages
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.torch.backend import CpuBackend
from panope_backends.engines.torch.encoder_decoder.facts import loading_refusal
from panope_backends.engines.torch.encoder_decoder.image_model import TorchImageWriter
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import trial_image
from panope_backends.model_facts.image_models import reads_questions, writes_of_images
from panope_backends.tasks.generate.module import GenerateModule
from panope_backends.tasks.task import LoadedTask
from panope_backends.testing.vision.captioners import (
    CAPTIONERS,
    END,
    PAD,
    SIDE,
    tiny_blip,
    tiny_blip_2_t5,
    tiny_git,
    tiny_paligemma,
)

IMAGES = [trial_image(seed, size).resize((70, size)) for seed, size in enumerate((40, 64, 90))]
QUESTION, TOKENS = "w7 w8 w9", 8


@dataclass
class Source:
    """A folder, as the worker gives it to a task."""

    folder: Path
    cache_folder: Path | None = None
    max_memory_bytes: int = 0
    settings: bytes = b""
    variant_digest: str = ""
    media_limits: MediaLimits = field(default_factory=MediaLimits)

    def load_any(self, config: Any, folder: Path | None = None, *, options: LoadOptions | None = None) -> Any:
        del folder
        facts = ModelFacts("acme/captions", "safetensors", "generate", "", config)
        return CpuBackend().load(facts, self.folder, "CPU", replace(options or LoadOptions(), precision="fp32"))


@dataclass
class Captioner:
    """A model that is loaded, and transformers' of the same files."""

    task: LoadedTask
    model: Any
    folder: Path


def made(folder: Path, tiny: Any) -> Captioner:
    model = tiny(folder)
    return Captioner(GenerateModule().load(Source(folder)), model, folder)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[*CAPTIONERS])
def captioner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captioner]:
    loaded = made(tmp_path_factory.mktemp(request.param), CAPTIONERS[request.param])
    yield loaded
    loaded.task.close()


@pytest.fixture(scope="module")
def answerer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captioner]:
    loaded = made(tmp_path_factory.mktemp("answers"), partial(tiny_blip, questions=True))
    yield loaded
    loaded.task.close()


def message_of(text: str = "", images: int = 1, **options: Any) -> messages.GenerateInput:
    parts: list[dict[str, str]] = [{"type": "image"}] * images
    content = [*parts, {"type": "text", "text": text}] if text else parts
    conversation = messages.Conversation(
        messages_json=json.dumps([{"role": "user", "content": content}]).encode(),
        images=[ImageMessage(content=png(IMAGES[0]))] * images,
    )
    options.setdefault("max_tokens", TOKENS)
    return messages.GenerateInput(conversation=conversation, temperature=0.0, **options)


def write(task: LoadedTask, *given: messages.GenerateInput) -> list[list[int]]:
    """The tokens of the answers, which run together, as the worker's loop makes them."""
    jobs: list[Any] = [task.requests["generate"](each.SerializeToString()) for each in given]
    model: Any = task.model
    for number, job in enumerate(jobs):
        model.submit(replace(job.requests[0], id=number))
    told: dict[int, bytes] = {}
    while len(told) < len(jobs):
        for delta in model.deltas(1.0):
            assert delta.error is None
            jobs[delta.request_id].take(0, delta)
        told.update({number: part for number, job in enumerate(jobs) if (part := job.part()) is not None})
    outputs = [messages.GenerateOutput.FromString(told[number]) for number in range(len(jobs))]
    return [list(output.deltas[0].token_ids) for output in outputs]


def with_image(message: messages.GenerateInput, image: Image.Image) -> messages.GenerateInput:
    message.conversation.images[0].content = png(image)
    return message


def by_transformers(captioner: Captioner, image: Image.Image, text: str = "") -> list[int]:
    """The tokens behind the prompt, without the end."""
    return words(library_caption(captioner.folder, captioner.model, image, text, TOKENS))


def words(ids: list[int]) -> list[int]:
    """Without what ends an answer, and fills up those that the library makes."""
    return [each for each in ids if each not in (END, PAD)]


def test_captions_are_those_of_the_library_whatever_runs_beside(captioner: Captioner) -> None:
    asked = [with_image(message_of(), image) for image in IMAGES]
    expected = [by_transformers(captioner, image) for image in IMAGES]
    assert [words(each) for each in write(captioner.task, *asked)] == expected
    assert len({tuple(each) for each in expected}) > 1, "the images change what is written"


def test_a_caption_goes_on_from_the_words_of_the_caller(captioner: Captioner) -> None:
    (found,) = write(captioner.task, message_of(QUESTION))
    assert words(found) == by_transformers(captioner, IMAGES[0], QUESTION)


@pytest.mark.parametrize("tiny", [tiny_paligemma, tiny_blip_2_t5])
def test_a_prompt_that_says_where_its_answer_begins_is_refused(tmp_path: Path, tiny: Any) -> None:
    tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    task = GenerateModule().load(Source(tmp_path))  # type: ignore[arg-type]  # a part of it
    tokens = AutoTokenizer.from_pretrained(tmp_path)
    image = tokens.convert_ids_to_tokens(config["image_token_index"])
    assert image
    with pytest.raises(InvalidInputError, match=r"`messages\[0\]` has the special token that the model's answers"):
        write(task, message_of(f"w1 {image} w2"))
    with pytest.raises(InvalidInputError, match=r"`messages\[0\]`: its text has [\d,]+ tokens; the limit is [\d,]+"):
        write(task, message_of(" ".join(["w1"] * 1100)))
    task.close()


def test_answers_to_questions_are_those_of_the_library(answerer: Captioner) -> None:
    asked = [with_image(message_of(QUESTION), image) for image in IMAGES]
    expected = [by_transformers(answerer, image, QUESTION) for image in IMAGES]
    assert [words(each) for each in write(answerer.task, *asked)] == expected
    (other,) = write(answerer.task, message_of("w1 w2"))
    assert words(other) == by_transformers(answerer, IMAGES[0], "w1 w2") != expected[0]


def test_a_question_is_missed_where_there_is_none(answerer: Captioner) -> None:
    with pytest.raises(InvalidInputError, match=r"`messages\[0\]` has no text, and the model answers questions"):
        write(answerer.task, message_of())
    with pytest.raises(InvalidInputError, match="the special token that the model's answers begin with"):
        write(answerer.task, message_of("w1 <bos> w2"))


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedTask]:
    loaded = made(tmp_path_factory.mktemp("git"), tiny_git)
    yield loaded.task
    loaded.task.close()


def changed(**fields: Any) -> messages.GenerateInput:
    message = message_of()
    for name, value in fields.items():
        setattr(message.conversation, name, value)
    return message


def said(*said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode()


TWO = said({"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "a"})


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (messages.GenerateInput(prompts=["a"]), r"`prompts\[0\]`: the model writes of an image"),
        (message_of(images=2), r"`messages\[0\].content\[1\]`: the model writes of one image; the message has 2"),
        (changed(messages_json=TWO), r"`messages\[1\]`: the model knows no conversations"),
        (changed(messages_json=said({"role": "system", "content": [{"type": "image"}]})), r"`messages\[0\].role`"),
        (changed(tools_json=b"[{}]"), "`tools` is not honoured: the model writes of images"),
        (changed(template_kwargs_json=b'{"a": 1}'), "`template_kwargs` is not honoured"),
        (changed(continue_final_message=True), "`continue_final_message` is not honoured"),
        (message_of(truncate_prompt_tokens=3), "`truncate_prompt_tokens` is not honoured"),
        (message_of(" ".join(["w1"] * 50)), r"`messages\[0\]`: its text has 50 tokens; the limit is 38"),
    ],
)
def test_what_such_a_model_has_not_is_refused_by_its_place(
    git: LoadedTask, message: messages.GenerateInput, complaint: str
) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        write(git, message)


def test_an_image_that_is_none_is_told_by_its_place(git: LoadedTask) -> None:
    message = message_of()
    message.conversation.images[0].content = b"no image"
    with pytest.raises(InvalidInputError, match=r"`messages\[0\].content\[0\]`"):
        write(git, message)


def test_a_module_that_says_otherwise_of_an_image_seen_before_is_refused(tmp_path: Path) -> None:
    module = tiny_git(tmp_path)
    usual = module.forward

    def forward(*arguments: Any, pixel_values: Any, **keywords: Any) -> Any:
        made = usual(*arguments, pixel_values=pixel_values, **keywords)
        made.logits = made.logits + pixel_values.sum()  # it looks at the pixels beside its tower
        return made

    module.forward = forward
    with pytest.raises(PreconditionError, match="says something else of an image that it saw before"):
        TorchImageWriter(module, "fp32", 40, (3, SIDE, SIDE))


def test_a_blip_2_that_cannot_be_run_is_refused_by_what_is_missing() -> None:
    config = {"model_type": "blip-2", "architectures": ["Blip2ForConditionalGeneration"], "num_query_tokens": 32}
    text = {"use_decoder_only_language_model": False, "image_token_index": 7}

    def refusal(**more: Any) -> str:
        return loading_refusal(ModelFacts("acme/blip-2", "safetensors", "generate", "", {**config, **more}))

    assert refusal(image_token_index=7) == ""
    unplaced = "tells no `image_token_index`, or not how many of it stand for an image"
    assert unplaced in refusal()
    assert unplaced in refusal(image_token_index=-1)
    assert unplaced in refusal(image_token_index=7, num_query_tokens=10**15), "more than memory holds"
    assert refusal(**text) == "", "T5 reads its texts before it writes"


def test_which_models_write_of_images_is_told_by_their_type() -> None:
    blip = {"model_type": "blip", "architectures": ["BlipForQuestionAnswering"]}
    assert writes_of_images(blip)
    assert reads_questions(blip)
    assert not reads_questions({**blip, "architectures": ["BlipForConditionalGeneration"]})
    composed = {"model_type": "vision-encoder-decoder", "encoder": {"model_type": "vit"}}
    assert writes_of_images({**composed, "decoder": {"model_type": "gpt2"}})
    assert not writes_of_images({**composed, "decoder": {"model_type": "trocr"}})
