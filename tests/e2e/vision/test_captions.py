"""Models that write of images, seeded and small, through a server and Envoy: all ways give the library's answers."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from huggingface_hub import InferenceClient
from PIL import Image
from tests.library_captions import library_caption

from command_line import panope
from panope_backends.media.processors import trial_image
from panope_backends.testing.vision.captioners import (
    END,
    IMAGE,
    PAD,
    START,
    tiny_blip,
    tiny_blip_2_t5,
    tiny_paligemma,
    tiny_vit_gpt2,
)
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Five workers with PyTorch start, and so does the library here; the engines' own tests compare answers each time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CAPTIONS, COMPOSED, ANSWERS = "acme/blip", "acme/vit-gpt2", "acme/blip-vqa"
INSTRUCTED, WITH_T5 = "acme/paligemma", "acme/blip-2-t5"
QUESTION, TOKENS = "w7 w8", 8

#: How each is made, and what is asked beside an image.
MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    CAPTIONS: (tiny_blip, ""),
    COMPOSED: (tiny_vit_gpt2, ""),
    ANSWERS: (partial(tiny_blip, questions=True), QUESTION),
    INSTRUCTED: (tiny_paligemma, QUESTION),
    WITH_T5: (tiny_blip_2_t5, QUESTION),
}


def png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


FILES = [png(trial_image(seed, 60 + seed)) for seed in range(3)]


@dataclass
class Seeded:
    """A server with the models, and what transformers writes with each of each file."""

    server: Any
    expected: dict[str, list[str]]


def written(folder: Path, model: Any, text: str) -> list[str]:
    """What `generate` writes of each file: its words, for all other tokens of tiny models are special."""
    images = [Image.open(io.BytesIO(file)).convert("RGB") for file in FILES]
    told = [library_caption(folder, model, image, text, TOKENS) for image in images]
    return [" ".join(f"w{each}" for each in ids if each not in (END, PAD, START, IMAGE)) for ids in told]


@pytest.fixture(scope="module")
def seeded(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("captions")
    home = folder / "home"
    expected = {}
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for number, (name, (write, text)) in enumerate(MODELS.items()):
        expected[name] = written(folder / str(number), write(folder / str(number)), text)
        session.registry.import_folder(folder / str(number), name)
    session.close()
    servers = make_servers(folder, folder)
    try:
        loads = [f"--load={name}" for name in MODELS]
        server = servers.start(*loads, home=home, demo=False, ready=False, PANOPE_PRECISION="fp32")
        server.wait_ready(600)
        yield Seeded(server, expected)
    finally:
        servers.stop()


def user(data: bytes, *texts: str) -> Any:
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": [*parts, *({"type": "text", "text": text} for text in texts)]}]


def test_openais_client_gets_captions_and_answers_and_streams_them(seeded: Seeded) -> None:
    with openai.OpenAI(base_url=f"{seeded.server.http_url}/v1", api_key="none", max_retries=0) as client:
        options: dict[str, Any] = {"max_tokens": TOKENS, "temperature": 0}
        for name, (_, text) in MODELS.items():
            texts = [text] if text else []
            for file, answer in zip(FILES, seeded.expected[name], strict=True):
                told = client.chat.completions.create(model=name, messages=user(file, *texts), **options)
                assert (told.choices[0].message.content or "").split() == answer.split(), name
            pieces = client.chat.completions.create(model=name, messages=user(FILES[0], *texts), stream=True, **options)
            streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
            assert streamed.split() == seeded.expected[name][0].split()
        with pytest.raises(openai.BadRequestError, match=r"the model answers questions about an image"):
            client.chat.completions.create(model=ANSWERS, messages=user(FILES[0]), **options)
        with pytest.raises(openai.BadRequestError, match=r"the message has 0"):
            client.chat.completions.create(model=CAPTIONS, messages=[{"role": "user", "content": "hello"}], **options)


def test_hugging_faces_client_gets_them_by_its_own_methods(seeded: Seeded) -> None:
    base = f"http://localhost:{seeded.server.http_port}/v1"
    for name in (CAPTIONS, COMPOSED):
        hub = InferenceClient(model=f"{base}/image-to-text/{name}")
        for file, answer in zip(FILES, seeded.expected[name], strict=True):
            assert (hub.image_to_text(file).generated_text or "").split()[: len(answer.split())] == answer.split()
    for name in (ANSWERS, INSTRUCTED, WITH_T5):
        hub = InferenceClient(model=f"{base}/visual-question-answering/{name}")
        for file, answer in zip(FILES, seeded.expected[name], strict=True):
            (found,) = hub.visual_question_answering(file, QUESTION)
            assert found.answer.split()[: len(answer.split())] == answer.split(), name
            assert 0 <= found.score <= 1


def test_grpc_and_the_command_line_answer_alike(seeded: Seeded, tmp_path: Path) -> None:
    with Client(seeded.server.grpc_address) as client:
        said: Any = [{"role": "user", "content": [{"type": "image", "image": FILES[1]}]}]
        asked: Any = [{"role": "user", "content": [*said[0]["content"], {"type": "text", "text": QUESTION}]}]
        for name, messages in ((CAPTIONS, said), (INSTRUCTED, asked), (WITH_T5, asked)):
            told = client.chat(messages, name, max_tokens=TOKENS, temperature=0.0)
            assert told.answers[0].content.split() == seeded.expected[name][1].split(), name
        with pytest.raises(InvalidInputError, match=r"`prompts\[0\]`: the model writes of an image"):
            client.generate(["hello"], CAPTIONS)
    (tmp_path / "a.png").write_bytes(FILES[0])
    options = ("--temperature", "0", "--max-tokens", TOKENS, "--address", seeded.server.grpc_address)
    answer = panope("run", ANSWERS, QUESTION, "--image", tmp_path / "a.png", *options).out
    assert answer.split() == seeded.expected[ANSWERS][0].split()


def test_the_models_tell_that_they_see_images(seeded: Seeded) -> None:
    for name in MODELS:
        info = seeded.server.get(f"/v1/models/{name}/info").json
        assert "images" in info["generate"]["honoured_fields"]
        assert "features" not in info["generate"]["honoured_fields"]
