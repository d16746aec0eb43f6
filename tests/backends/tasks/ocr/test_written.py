"""Models that write the text of whole images give what transformers' own generation gives on the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.colour_reader import png
from transformers import AutoImageProcessor

from panope.worker.v1 import ocr_pb2 as messages
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch.backend import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import trial_image
from panope_backends.model_facts.image_models import image_states, reads_text
from panope_backends.tasks.ocr.module import OcrModule
from panope_backends.tasks.ocr.written.job import WriteJob
from panope_backends.tasks.ocr.written.parsed import TagReader
from panope_backends.tasks.task import LoadedTask
from panope_backends.testing.vision.text_readers import DONUT_PROMPT, EOS, tiny_donut, tiny_trocr

IMAGES = [trial_image(seed, size).resize((150, size)) for seed, size in enumerate((30, 64, 90, 200, 64))]


@dataclass
class Source:
    """A folder, as the worker gives it to a task."""

    folder: Path
    backend: Any = None
    format: str = "safetensors"
    cache_folder: Path | None = None
    max_memory_bytes: int = 0
    media_limits: MediaLimits = field(default_factory=MediaLimits)

    def load_any(self, config: Any, folder: Path | None = None, *, options: LoadOptions | None = None) -> Any:
        del folder
        facts = ModelFacts("acme/reader", self.format, "ocr", "", config)
        options = replace(options or LoadOptions(), precision="fp32")
        return (self.backend or CpuBackend()).load(facts, self.folder, "CPU", options)


@dataclass
class Reader:
    """A model that is loaded, and transformers' of the same files."""

    task: LoadedTask
    model: Any
    folder: Path


def made(folder: Path, tiny: Callable[[Path], Any]) -> Reader:
    model = tiny(folder)
    return Reader(OcrModule().load(Source(folder)), model, folder)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trocr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = made(tmp_path_factory.mktemp("trocr"), tiny_trocr)
    yield reader
    reader.task.close()


@pytest.fixture(scope="module")
def donut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = made(tmp_path_factory.mktemp("donut"), tiny_donut)
    yield reader
    reader.task.close()


def job_of(task: LoadedTask, images: list[Image.Image], **options: Any) -> WriteJob:
    message = messages.OcrInput(images=[ImageMessage(content=png(image)) for image in images], **options)
    job = task.requests["ocr"](message.SerializeToString())
    assert isinstance(job, WriteJob)
    return job


def read(task: LoadedTask, images: list[Image.Image], **options: Any) -> list[messages.OcrPage]:
    """The answer, as the worker's loop makes it: all images run together."""
    job = job_of(task, images, **options)
    model: Any = task.model
    for index, request in enumerate(job.requests):
        model.submit(replace(request, id=index))
    while (part := job.part()) is None:
        for delta in model.deltas(1.0):
            assert delta.error is None
            job.take(delta.request_id, delta)
    return list(messages.OcrOutput.FromString(part).pages)


def by_transformers(reader: Reader, image: Image.Image, prompt: tuple[int, ...] = (), **options: Any) -> list[int]:
    """The tokens behind the prompt, without the end."""
    processor = AutoImageProcessor.from_pretrained(reader.folder, backend="pil")
    pixels = torch.from_numpy(np.asarray(processor(images=[image], return_tensors="np")["pixel_values"]))
    if prompt:
        options["decoder_input_ids"] = torch.tensor([prompt])
    with torch.inference_mode():
        ids = reader.model.generate(pixels, do_sample=False, **options)[0].tolist()
    return [each for each in ids[max(1, len(prompt)) :] if each != EOS]


def text_of(ids: list[int]) -> str:
    """Of the words of a tiny model: those below 100 are words, the rest special tokens."""
    return "".join(f" w{each}" for each in ids if each < 100)


def texts(pages: list[messages.OcrPage]) -> list[str]:
    return [page.lines[0].text if page.lines else "" for page in pages]


def test_a_line_is_what_transformers_writes_of_the_whole_image(trocr: Reader) -> None:
    pages = read(trocr.task, IMAGES)
    assert texts(pages) == [text_of(by_transformers(trocr, image)) for image in IMAGES]
    assert len(set(texts(pages))) > 1
    for page, image in zip(pages, IMAGES, strict=True):
        (line,) = page.lines
        assert (page.width, page.height) == image.size
        assert list(line.corners) == [0, 0, image.width, 0, image.width, image.height, 0, image.height]
        assert 0 < line.score <= 1
        assert not page.parsed_json


def test_a_decoder_with_sines_for_positions_writes_what_transformers_writes(tmp_path: Path) -> None:
    reader = made(tmp_path, lambda folder: tiny_trocr(folder, learned_positions=False))
    pages = read(reader.task, IMAGES[:2])
    reader.task.close()
    assert texts(pages) == [text_of(by_transformers(reader, image)) for image in IMAGES[:2]]


def test_a_document_is_parsed_behind_its_own_token_or_the_callers(donut: Reader) -> None:
    pages = read(donut.task, IMAGES)
    wanted = [by_transformers(donut, image) for image in IMAGES]
    assert texts(pages) == [text_of(ids).strip() for ids in wanted]
    assert len(set(texts(pages))) > 1
    assert all(isinstance(json.loads(page.parsed_json), dict) for page in pages)
    tokenizer = json.loads((donut.folder / "tokenizer.json").read_text())
    ids = {each["content"]: each["id"] for each in tokenizer["added_tokens"]}
    prompt = (ids["<s_menu>"], ids["<s_name>"])
    found = read(donut.task, IMAGES, prompt="<s_menu><s_name>")
    assert texts(found) == [text_of(by_transformers(donut, image, prompt)).strip() for image in IMAGES]
    assert texts(found) != texts(pages)


def test_a_question_is_answered_behind_the_tokens_that_stand_around_it(donut: Reader) -> None:
    tokenizer = json.loads((donut.folder / "tokenizer.json").read_text())
    ids = {each["content"]: each["id"] for each in tokenizer["added_tokens"]}
    around = [ids[f"<{name}>"] for name in ("s_docvqa", "s_question", "/s_question", "s_answer")]
    prompt = (*around[:2], 7, 8, *around[2:])
    found = read(donut.task, IMAGES, question=" w7 w8")
    answers = [by_transformers(donut, image, prompt) for image in IMAGES]
    cut = [each[: each.index(ids["</s_answer>"])] if ids["</s_answer>"] in each else each for each in answers]
    assert texts(found) == [text_of(each).strip() for each in cut]
    assert not any(page.parsed_json for page in found)


def test_an_answer_ends_at_the_callers_number_of_tokens_and_says_so(trocr: Reader) -> None:
    (page,) = read(trocr.task, IMAGES[1:2], max_tokens=4)
    assert page.lines[0].text == text_of(by_transformers(trocr, IMAGES[1], max_new_tokens=4))
    assert page.is_truncated
    assert not read(trocr.task, IMAGES[1:2], threshold=1.0)[0].lines


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({"words": True}, "words", "the model does not tell where they are"),
        ({"question": "what?"}, "question", "the model answers none; its tokenizer has not the token `<s_docvqa>`"),
        ({"prompt": "w1", "question": "what?"}, "prompt", "`prompt` and `question` exclude each other"),
        ({"prompt": " w1" * 30}, "prompt", "has 31 tokens; the limit is 20"),
        ({"max_tokens": 40}, "max_tokens", "must be at most 39"),
        ({"document": messages.OcrDocument(content=b"%PDF-1.7")}, "document", "reads whole images"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(
    trocr: Reader, options: dict[str, Any], name: str, words: str
) -> None:
    images = [] if "document" in options else IMAGES[:1]
    with pytest.raises(InvalidInputError, match=words) as caught:
        job_of(trocr.task, images, **options)
    assert caught.value.field == name


def test_an_image_that_is_none_is_named_by_its_place_in_the_call(trocr: Reader) -> None:
    message = messages.OcrInput(images=[ImageMessage(content=b"no image")], first_index=5)
    with pytest.raises(InvalidInputError, match=r"`images\[5\]`"):
        trocr.task.requests["ocr"](message.SerializeToString())


def test_tags_become_a_tree_and_broken_ones_a_text() -> None:
    tags = TagReader({"<s_menu>", "<yes/>"})
    assert json.loads(tags.json("<s_menu><s_name>Tea</s_name><s_price>2</s_price></s_menu><s_total>2</s_total>")) == {
        "menu": {"name": "Tea", "price": "2"},
        "total": "2",
    }
    assert json.loads(tags.json("<s_menu><s_name>Tea</s_name><sep/><s_name>Milk</s_name></s_menu>")) == {
        "menu": [{"name": "Tea"}, {"name": "Milk"}]
    }
    assert json.loads(tags.json("no tags")) == {"text_sequence": "no tags"}
    assert json.loads(tags.json("<s_a>" * 5000 + "x" + "</s_a>" * 5000))


def test_a_processor_that_makes_what_the_encoder_does_not_read_is_refused(tmp_path: Path) -> None:
    tiny_trocr(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "size": {"height": 16, "width": 32}}))
    with pytest.raises(PreconditionError, match="makes 3 × 16 × 32 of an image, and its encoder reads 3 × 32 × 32"):
        OcrModule().load(Source(tmp_path))  # type: ignore[arg-type]


def test_states_of_an_image_are_counted_from_its_patches() -> None:
    assert image_states({"image_size": 384, "patch_size": 16}) == 24 * 24 + 2
    donut = {"image_size": [2560, 1920], "patch_size": 4, "depths": [2, 2, 14, 2]}
    assert image_states(donut) == 80 * 60 + 2
    assert image_states({"image_size": "large"}) == 3
    assert not reads_text({"model_type": "vision-encoder-decoder", "decoder": {"model_type": "gpt2"}})


@pytest.mark.slow  # conversions
@pytest.mark.parametrize("tiny", [tiny_trocr, tiny_donut])
def test_openvino_writes_what_torch_writes(tmp_path: Path, tiny: Callable[[Path], Any]) -> None:
    reader = made(tmp_path, tiny)
    backend = OpenVinoBackend()
    config = json.loads((tmp_path / "config.json").read_text())
    facts = ModelFacts("acme/reader", "safetensors", "ocr", "", config)
    backend.convert(facts, backend.conversions()[0], tmp_path, tmp_path)
    converted = OcrModule().load(Source(tmp_path, backend, "openvino"))  # type: ignore[arg-type]
    options = {} if tiny is tiny_trocr else {"prompt": DONUT_PROMPT}
    found, right = (read(task, IMAGES, **options) for task in (converted, reader.task))
    assert texts(found) == texts(right)
    assert [page.parsed_json for page in found] == [page.parsed_json for page in right]
    scores = [[line.score for page in pages for line in page.lines] for pages in (found, right)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    for task in (converted, reader.task):
        task.close()
