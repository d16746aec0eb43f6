"""Conversations with images: a seeded LLaVA through a server and Envoy, by the clients that people have."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image

from command_line import panope
from panope_client import Client
from panope_registry.session import RegistrySession

MODEL = "acme/tiny-llava"
QUESTION = "what is it?"
TOKENS = 8

# A worker with PyTorch starts, and so does the library here; the engine's own tests compare answers each time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def png(seed: int, side: int = 40) -> bytes:
    random = np.random.default_rng(seed)
    written = io.BytesIO()
    Image.fromarray(random.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(written, "PNG")
    return written.getvalue()


IMAGES = [png(1), png(2, 50)]


def url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def image_url(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url(data)}}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def user(*parts: dict[str, Any]) -> Any:
    return [{"role": "user", "content": list(parts)}]


def answers_of_transformers(folder: Path, asked: list[list[int]]) -> list[str]:
    """What `generate` says of conversations whose user shows images, by their numbers, and asks the question."""
    import torch
    from transformers import AutoModelForImageTextToText, LlavaProcessor

    processor = LlavaProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    answers = []
    for numbers in asked:
        images = [Image.open(io.BytesIO(IMAGES[number])) for number in numbers]
        said = user(*({"type": "image", "image": image} for image in images), text(QUESTION))
        inputs = processor.apply_chat_template(said, tokenize=True, add_generation_prompt=True, return_dict=True)
        tensors = {name: torch.as_tensor(np.asarray(value)) for name, value in inputs.items()}
        with torch.inference_mode():
            made = model.generate(**tensors, max_new_tokens=TOKENS, do_sample=False, pad_token_id=0)
        answers.append(processor.decode(made[0, tensors["input_ids"].shape[1] :], skip_special_tokens=True))
    return answers


@pytest.fixture(scope="module")
def expected(source: Path) -> list[str]:
    """The answers to the first image, the second, and both."""
    return answers_of_transformers(source, [[0], [1], [0, 1]])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from panope_backends.testing.vision.image_text_models import tiny_image_text_model

    folder = tmp_path_factory.mktemp("llava")
    tiny_image_text_model(folder, "llava")
    return folder


@pytest.fixture(scope="module")
def server(make_servers: Any, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("image-text")
    session = RegistrySession.open(folder / "home" / "registry.sqlite3", folder / "home")
    session.registry.import_folder(source, MODEL)
    session.close()
    servers = make_servers(folder, folder)
    try:
        started = servers.start("--load", MODEL, home=folder / "home", demo=False, ready=False)
        started.wait_ready(300)
        yield started
    finally:
        servers.stop()


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, messages: Any, **more: Any) -> Any:
    return client.chat.completions.create(model=MODEL, messages=messages, max_tokens=TOKENS, temperature=0, **more)


def test_openais_client_gets_the_answers_of_transformers(client: openai.OpenAI, expected: list[str]) -> None:
    first, second = map(image_url, IMAGES)
    for parts, answer in zip(([first], [second], [first, second]), expected, strict=True):
        told = ask(client, user(*parts, text(QUESTION)))
        assert told.choices[0].message.content == answer
        assert told.usage.prompt_tokens > 9 * len(parts)  # places of images count
    assert len(set(expected)) == 3
    pieces = list(ask(client, user(first, text(QUESTION)), stream=True))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == expected[0]
    assert ask(client, [{"role": "user", "content": "hello"}]).usage.completion_tokens > 0
    shown = {"type": "input_image", "image_url": url(IMAGES[1]), "detail": "auto"}
    said: Any = [{"role": "user", "content": [shown, {"type": "input_text", "text": QUESTION}]}]
    response = client.responses.create(model=MODEL, input=said, max_output_tokens=16, temperature=0)
    assert response.output_text.startswith(expected[1])


def test_an_image_of_grpc_and_of_the_command_line_is_answered_alike(
    server: Any, expected: list[str], tmp_path: Path
) -> None:
    with Client(server.grpc_address) as client:
        said = user({"type": "image", "image": IMAGES[1]}, text(QUESTION))
        told = client.chat(said, MODEL, max_tokens=TOKENS, temperature=0.0)
    assert told.answers[0].content == expected[1]
    (tmp_path / "a.png").write_bytes(IMAGES[0])
    options = ("--temperature", "0", "--max-tokens", TOKENS, "--address", server.grpc_address)
    assert panope("run", MODEL, QUESTION, "--image", tmp_path / "a.png", *options).out == expected[0] + "\n"


def test_the_model_tells_that_it_sees_images(server: Any) -> None:
    info = server.get(f"/v1/models/{MODEL}/info").json
    assert "images" in json.dumps(info)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def lying_png(width: int, height: int) -> bytes:
    """A file of some hundred bytes whose header tells of more pixels than it has."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("parts", "param", "words"),
    [
        ([image_url(lying_png(40_000, 40_000))], "messages[0].content[0]", "1,600,000,000"),
        ([text("a"), image_url(lying_png(40, 40))], "messages[0].content[1]", "broken"),
        ([image_url(IMAGES[0][:60])], "messages[0].content[0]", "broken"),
        ([image_url(b"<svg></svg>")], "messages[0].content[0]", "SVG"),
        ([image_url(b"")], "messages[0].content[0]", "empty"),
        ([image_url(IMAGES[0])] * 100, "messages", "64"),
        ([image_url(IMAGES[0])] * 60, "messages[0].content[44]", "context"),
        ([text("what is <image> here?")], "messages[0]", "<image>"),
        ([text("<image>"), image_url(IMAGES[0])], "messages[0]", "<image>"),
        (
            [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/a"}}],
            "messages[0].content[0].image_url.url",
            "data:",
        ),
    ],
)
def test_abuse_is_refused_by_its_place_and_others_are_answered(
    client: openai.OpenAI, expected: list[str], parts: list[Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(client, user(*parts))
    assert (refusal.value.param, words in str(refusal.value)) == (param, True), refusal.value
    told = ask(client, user(image_url(IMAGES[0]), text(QUESTION)))
    assert told.choices[0].message.content == expected[0]
