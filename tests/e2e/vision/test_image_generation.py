"""Tiny pipelines of diffusers in real workers behind a real Envoy: every way in draws what diffusers itself draws."""

from __future__ import annotations

import base64
import io
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import psutil
import pytest
from huggingface_hub import InferenceClient
from PIL import Image
from tests.served_images import photograph

from command_line import Result, panope
from panope_backends.testing.vision.diffusion import tiny_pipeline
from panope_client import Client, InvalidInputError, UnavailableError
from panope_registry.session import RegistrySession

# Two workers with PyTorch, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL, CHECKED = "acme/tiny-sd", "acme/tiny-checked"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("pipeline"), seed=3)


@pytest.fixture(scope="module")
def server(make_servers: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("image-generation")
    checked = tiny_pipeline(place / "checked", "stable-diffusion-checked", seed=3)
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, files in ((MODEL, folder), (CHECKED, checked)):
        session.registry.import_folder(files, name)  # the task is told from model_index.json
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            client.load(MODEL)
            client.load(CHECKED)
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


@pytest.fixture(scope="module")
def expected(folder: Path) -> Any:
    """What diffusers draws, as 8 bits a colour."""
    import torch
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)

    def draw(prompt: str, seed: int, **options: Any) -> np.ndarray[Any, Any]:
        generator = torch.Generator().manual_seed(seed)
        return np.asarray(pipeline(prompt, generator=generator, **options).images[0])

    return draw


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_steps_are_told_and_then_the_image_that_diffusers_draws(client: Client, expected: Any) -> None:
    *steps, last = client.stream_generate_images("a red fox", MODEL, width=64, height=48, steps=4, seed=7)
    assert [(each.progress.step, each.progress.steps) for each in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    image = last.image
    assert (image.width, image.height, image.seed, image.flagged) == (64, 48, 7, False)
    wanted = expected("a red fox", 7, width=64, height=48, num_inference_steps=4)
    assert np.array_equal(pixels(image.content), wanted)


def test_every_field_changes_what_diffusers_would_change(client: Client, expected: Any) -> None:
    (image,) = client.generate_images(
        "a fox", MODEL, width=64, height=64, steps=3, seed=1, negative_prompt="snow", guidance_scale=3.5
    )
    options = {"negative_prompt": "snow", "guidance_scale": 3.5, "num_inference_steps": 3}
    assert np.array_equal(pixels(image.content), expected("a fox", 1, **options))
    (other,) = client.generate_images("a fox", MODEL, width=64, height=64, steps=3, seed=1)
    assert other.content != image.content


def test_images_of_one_call_are_those_of_the_seeds_that_follow(client: Client) -> None:
    several = client.generate_images("a fox", MODEL, steps=2, seed=10, count=3)
    assert [(each.index, each.seed) for each in several] == [(0, 10), (1, 11), (2, 12)]
    alone = client.generate_images("a fox", MODEL, steps=2, seed=12)
    assert alone[0].content == several[2].content
    (first,), (second,) = (client.generate_images("a fox", MODEL, steps=1) for _ in range(2))
    assert first.seed != second.seed
    (again,) = client.generate_images("a fox", MODEL, steps=1, seed=first.seed)
    assert again.content == first.content


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_files_are_of_the_format_and_quality_that_are_asked_for(client: Client, kind: Any) -> None:
    good, bad = (
        client.generate_images("a fox", MODEL, steps=1, seed=1, format=kind, quality=quality)[0].content
        for quality in (100, 5)
    )
    assert Image.open(io.BytesIO(good)).format == kind.upper()
    assert len(bad) < len(good)


def test_an_image_is_begun_from_and_a_mask_says_what_may_change(client: Client) -> None:
    photo = photograph(0, (70, 64))
    (changed,) = client.generate_images("a fox", MODEL, steps=4, seed=1, image=photo, strength=0.5)
    assert (changed.width, changed.height) == (64, 64)  # a multiple of 8
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    (painted,) = client.generate_images(
        "a fox", MODEL, steps=4, seed=1, image=photo, mask=file.getvalue(), width=64, height=64, strength=0.9
    )
    assert painted.content != changed.content


def test_what_the_safety_checker_flags_is_black_and_told(server: Any, client: Client) -> None:
    (image,) = client.generate_images("a fox", CHECKED, steps=1, width=64, height=64)
    assert image.flagged
    assert not pixels(image.content).any()
    assert client.model(CHECKED).diffusion.has_safety_checker
    assert not client.model(MODEL).diffusion.has_safety_checker
    body = {"inputs": "a fox", "parameters": {"num_inference_steps": 1}}
    refused = httpx2.post(f"{server.http_url}/v1/text-to-image/{CHECKED}", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "flagged_image")
    told = httpx2.post(f"{server.http_url}/v1/images/generations", json={"prompt": "a", "model": CHECKED, "steps": 1})
    assert told.json()["data"][0]["flagged"] is True


def test_the_model_says_what_it_takes(server: Any, client: Client) -> None:
    told = client.model(MODEL).diffusion
    assert (told.pipeline, sorted(told.inputs)) == ("StableDiffusionPipeline", ["image", "mask", "text"])
    assert (told.size_multiple, told.width, told.height, told.steps) == (8, 64, 64, 50)
    info = httpx2.get(f"{server.http_url}/v1/models/{MODEL}/info").json()
    assert info["diffusion"]["honoured_fields"] == ["guidance_scale", "negative_prompt", "strength"]
    assert info["embed"] is None


def test_openais_client_draws(server: Any, client: Client) -> None:
    with openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none") as api:
        answer = api.images.generate(
            prompt="a fox", model=MODEL, n=2, size="64x48", quality="auto", extra_body={"seed": 5, "steps": 2}
        )
        assert answer.data is not None
        wanted = client.generate_images("a fox", MODEL, width=64, height=48, seed=5, steps=2, count=2)
        assert [base64.b64decode(each.b64_json or "") for each in answer.data] == [each.content for each in wanted]
        assert (answer.size, answer.output_format, answer.background) == ("64x48", "png", "opaque")
        photo = photograph(0, (64, 64))
        edited = api.images.edit(
            image=("photo.png", photo), prompt="a fox", model=MODEL, extra_body={"seed": 5, "steps": 4, "strength": 0.5}
        )
        (same,) = client.generate_images("a fox", MODEL, image=photo, seed=5, steps=4, strength=0.5)
        assert edited.data is not None
        assert base64.b64decode(edited.data[0].b64_json or "") == same.content


def test_openais_mask_is_what_is_transparent(server: Any, client: Client) -> None:
    with openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none") as api:
        photo, clear, white = photograph(0, (64, 64)), io.BytesIO(), io.BytesIO()
        alpha = np.full((64, 64), 255, np.uint8)
        alpha[:, 32:] = 0
        Image.merge("RGBA", [*Image.new("RGB", (64, 64)).split(), Image.fromarray(alpha)]).save(clear, "PNG")
        Image.fromarray(255 - alpha).save(white, "PNG")
        options = {"seed": 5, "steps": 4, "strength": 0.9}
        edited = api.images.edit(
            image=photo, mask=clear.getvalue(), prompt="a fox", model=MODEL, extra_body=options, size="64x64"
        )
        (same,) = client.generate_images("a fox", MODEL, image=photo, mask=white.getvalue(), **options)  # type: ignore[arg-type]
        assert edited.data is not None
        assert base64.b64decode(edited.data[0].b64_json or "") == same.content
        with pytest.raises(openai.BadRequestError, match="no transparency"):
            api.images.edit(image=photo, mask=photo, prompt="a fox", model=MODEL)


def test_hugging_faces_client_draws(server: Any, client: Client) -> None:
    drawn = InferenceClient(model=f"{server.http_url}/v1/text-to-image/{MODEL}").text_to_image(
        "a fox", negative_prompt="snow", width=64, height=48, num_inference_steps=2, guidance_scale=4, seed=3
    )
    (wanted,) = client.generate_images(
        "a fox", MODEL, negative_prompt="snow", width=64, height=48, steps=2, guidance_scale=4, seed=3
    )
    assert np.array_equal(np.asarray(drawn), pixels(wanted.content))
    photo = photograph(0, (64, 64))
    changed = InferenceClient(model=f"{server.http_url}/v1/image-to-image/{MODEL}").image_to_image(
        photo, prompt="a fox", num_inference_steps=4, guidance_scale=4, target_size={"width": 48, "height": 64}, seed=3
    )
    (same,) = client.generate_images(
        "a fox", MODEL, image=photo, width=48, height=64, steps=4, guidance_scale=4, seed=3
    )
    assert np.array_equal(np.asarray(changed), pixels(same.content))


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"width": 65}, "width", "is 65; with this model it must be a multiple of 8"),
        ({"width": 4096, "height": 4096}, "width", "16,777,216 in all; the limit is 4,194,304"),
        ({"width": 9000}, "width", "at most 8,192"),
        ({"steps": 251}, "steps", "at most 250"),
        ({"count": 11}, "count", "at most 10"),
        ({"count": 0}, "count", "at least 1"),
        ({"guidance_scale": float("nan")}, "guidance_scale", "from 0 to 100"),
        ({"guidance_scale": 1.0, "negative_prompt": "snow"}, "negative_prompt", "without a `guidance_scale` above 1"),
        ({"strength": 0.5}, "strength", "there is no `image`"),
        ({"strength": 0.0, "image": photograph()}, "strength", "above 0"),
        ({"strength": 0.1, "steps": 4, "image": photograph()}, "strength", "less than one step"),
        ({"mask": photograph()}, "mask", "there is no `image`"),
        ({"image": b"PK\x03\x04"}, "image", "a ZIP archive"),
        ({"image": photograph()[:40]}, "image", "truncated or broken"),
        ({"quality": 50}, "quality", "changes nothing in PNG files; see `format`"),
        ({"quality": 101, "format": "jpeg"}, "quality", "at most 100"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(
    client: Client, options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        client.generate_images("a fox", MODEL, **options)
    assert refused.value.field == field
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"response_format": "url"}, "response_format"),
        ({"quality": "hd"}, "quality"),
        ({"background": "transparent"}, "background"),
        ({"stream": True}, "stream"),
        ({"style": "vivid"}, "style"),
        ({"size": "64x65"}, "size"),
        ({"size": "big"}, "size"),
        ({"n": 11}, "n"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"colour": "red"}, "colour"),
        ({"prompt": " "}, "prompt"),
    ],
)
def test_what_openai_has_and_no_model_here_is_refused_by_name(server: Any, body: dict[str, Any], param: str) -> None:
    given = {"prompt": "a fox", "model": MODEL} | body
    refused = httpx2.post(f"{server.http_url}/v1/images/generations", json=given)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text
    if param != "colour":
        form = {name: str(value).lower() for name, value in given.items() if name != "model"} | {"model": MODEL}
        again = httpx2.post(
            f"{server.http_url}/v1/images/edits", data=form, files={"image": ("a.png", photograph(0, (64, 64)))}
        )
        assert (again.status_code, again.json()["error"]["param"]) == (400, param), again.text


def test_a_caller_who_leaves_ends_the_work_within_a_step(server: Any, client: Client) -> None:
    stream = client.stream_generate_images("a fox", MODEL, width=64, height=64, steps=250, count=10)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    client.generate_images("a fox", MODEL, width=64, height=64, steps=1)
    assert time.monotonic() - began < 20  # ten images of 250 steps take minutes
    server.wait(lambda: client.model(MODEL).in_flight_items == 0, 10, "the end of the call that was left")


def test_callers_take_turns_step_by_step(client: Client) -> None:
    long = client.stream_generate_images("a fox", MODEL, width=64, height=64, steps=250)
    first = next(iter(long))
    (short,) = client.generate_images("a fox", MODEL, width=64, height=64, steps=1, seed=1)
    assert first.progress.step < 250
    assert short.width == 64
    long.close()  # type: ignore[attr-defined]


def test_a_lost_worker_fails_its_calls_and_comes_back(server: Any, client: Client) -> None:
    (pid,) = [instance.pid for instance in client.model(MODEL).instances]
    stream = iter(client.stream_generate_images("a fox", MODEL, width=64, height=64, steps=250, count=10))
    next(stream)
    psutil.Process(pid).kill()
    with pytest.raises(UnavailableError):
        for _ in stream:
            pass
    (other,) = client.generate_images("a fox", CHECKED, steps=1)
    assert other.flagged
    server.wait(lambda: client.model(MODEL).instances[0].pid not in (0, pid), 60, "another worker")
    with Client(server.grpc_address, timeout=120) as patient:
        patient.load(MODEL)
    assert client.generate_images("a fox", MODEL, steps=1, seed=1)[0].width == 64


def test_files_are_written_by_the_command_line(server: Any, client: Client, tmp_path: Path) -> None:
    def draw(out: str, *options: str, code: int = 0) -> Result:
        address = ("--address", server.grpc_address)
        return panope("generate-image", MODEL, "a fox", "--out", tmp_path / out, *options, *address, code=code)

    ran = draw("fox.png", "--size", "64x48", "--steps", "2", "--seed", "3")
    assert ran.out.rstrip().endswith("64 × 48, seed 3")
    (wanted,) = client.generate_images("a fox", MODEL, width=64, height=48, steps=2, seed=3)
    assert (tmp_path / "fox.png").read_bytes() == wanted.content
    told = draw("fox.webp", "--steps", "1", "--seed", "3", "-n", "2", "--json").json
    assert [each["file"] for each in told] == [str(tmp_path / f"fox-{number}.webp") for number in (1, 2)]
    assert pixels((tmp_path / "fox-2.webp").read_bytes()).shape == (64, 64, 3)
    assert "ends in none of" in draw("fox.gif", code=1).err
    assert "no size such as 512x512" in draw("fox.png", "--size", "big", code=1).err


def test_an_interrupt_of_the_command_line_ends_the_work(server: Any, client: Client, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "panope_server", "generate-image", MODEL, "a fox", "--out", tmp_path / "fox.png"]
    options = ["--steps", "250", "-n", "10", "--address", server.grpc_address]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        server.wait(lambda: client.model(MODEL).in_flight_items == 1, 30, "the call of the command")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20)
    assert running.returncode != 0
    assert "Traceback" not in said
    server.wait(lambda: client.model(MODEL).in_flight_items == 0, 10, "the end of the call")
