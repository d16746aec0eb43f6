"""TrOCR and Donut, seeded and small, through a server and Envoy: every way in gives what transformers writes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from command_line import panope
from panope_backends.media.processors import trial_image
from panope_backends.testing.vision.text_readers import EOS, tiny_donut, tiny_trocr
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Two workers with PyTorch start, and so does the library here; the engines' own tests compare answers each time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LINES, DOCUMENTS = "acme/trocr", "acme/donut"
QUESTION = "w7 w8"


def png(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


FILES = [png(trial_image(seed, 60 + seed)) for seed in range(3)]


@dataclass
class Seeded:
    """A server with both models, and what transformers writes with them."""

    server: Any
    lines: list[str]
    documents: list[str]
    answers: list[str]


def written(folder: Path, model: Any, prompt: str = "") -> list[str]:
    """What `generate` writes of each file: its words, for all other tokens of tiny models are special."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    told = []
    for file in FILES:
        pixels = processor(images=[Image.open(io.BytesIO(file)).convert("RGB")], return_tensors="pt").pixel_values
        options = {}
        if prompt:
            ids = AutoTokenizer.from_pretrained(folder)(prompt, add_special_tokens=False, return_tensors="pt")
            options["decoder_input_ids"] = ids.input_ids
        with torch.inference_mode():
            (ids,) = model.generate(pixels, do_sample=False, **options).tolist()
        ids = ids[options["decoder_input_ids"].shape[1] if prompt else 1 :]
        told.append("".join(f" w{each}" for each in ids if each < EOS).strip())
    return told


@pytest.fixture(scope="module")
def seeded(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("written")
    home = folder / "home"
    trocr, donut = folder / "trocr", folder / "donut"
    models = tiny_trocr(trocr), tiny_donut(donut)
    question = f"<s_docvqa><s_question>{QUESTION}</s_question><s_answer>"
    told = written(trocr, models[0]), written(donut, models[1]), written(donut, models[1], question)
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, each in ((LINES, trocr), (DOCUMENTS, donut)):
        session.registry.import_folder(each, name)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start(f"--load={LINES}", f"--load={DOCUMENTS}", home=home, demo=False, PANOPE_PRECISION="fp32")
        yield Seeded(server, *told)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(seeded: Seeded) -> Iterator[Client]:
    with Client(seeded.server.grpc_address) as made:
        yield made


def test_both_run_on_openvino_where_a_job_has_converted_them(seeded: Seeded) -> None:
    for name in (LINES, DOCUMENTS):
        (instance,) = seeded.server.get(f"/v1/models/{name}/info").json["instances"]
        assert instance["backend"] == "openvino"


def test_grpc_gives_a_line_an_image_a_tree_a_document_and_answers(seeded: Seeded, client: Client) -> None:
    pages = client.recognize(FILES, LINES).pages
    assert [page.lines[0].text.strip() for page in pages] == seeded.lines
    assert [(page.width, page.height) for page in pages] == [(60, 60), (61, 61), (62, 62)]
    parsed = client.recognize(FILES, DOCUMENTS).pages
    assert ["".join(line.text for line in page.lines) for page in parsed] == seeded.documents
    assert all(isinstance(json.loads(page.parsed_json), dict) for page in parsed)
    answered = client.recognize(FILES, DOCUMENTS, question=QUESTION).pages
    assert ["".join(line.text for line in page.lines) for page in answered] == seeded.answers
    with pytest.raises(InvalidInputError, match=r"`question`: the model answers none"):
        client.recognize(FILES, LINES, question=QUESTION)
    with pytest.raises(InvalidInputError, match=r"`images\[1\]`"):
        client.recognize([FILES[0], b"no image"], LINES)


def test_rest_gives_them_by_the_routes_of_ocr_and_by_hugging_faces_client(seeded: Seeded) -> None:
    server = seeded.server
    told = server.post(f"/v1/ocr/{LINES}", body=FILES[0], headers={"content-type": "image/png"})
    assert told.json["pages"][0]["text"].strip() == seeded.lines[0]
    sent = {"model": DOCUMENTS, "inputs": base64.b64encode(FILES[0]).decode(), "parameters": {"max_tokens": 3}}
    (page,) = server.post("/v1/ocr", sent).json["pages"]
    assert isinstance(page["parsed"], dict)
    base = f"http://localhost:{server.http_port}/v1"
    hub = InferenceClient(model=f"{base}/image-to-text/{LINES}")
    assert [hub.image_to_text(file).generated_text.strip() for file in FILES] == seeded.lines
    hub = InferenceClient(model=f"{base}/document-question-answering/{DOCUMENTS}")
    answers = [hub.document_question_answering(file, QUESTION)[0] for file in FILES]
    assert [each.answer for each in answers] == seeded.answers
    assert all(0 <= each.score <= 1 for each in answers)
    refused = server.post(f"/v1/ocr/{LINES}", {"inputs": sent["inputs"], "parameters": {"words": True}})
    assert (refused.status, refused.json["error"]["param"]) == (400, "parameters.words")


def test_the_command_line_reads_parses_and_asks(seeded: Seeded, tmp_path: Path) -> None:
    file = tmp_path / "page.png"
    file.write_bytes(FILES[0])

    def run(*arguments: str) -> str:
        return panope("ocr", *arguments, "--address", seeded.server.grpc_address).out

    assert run(LINES, str(file)).strip() == seeded.lines[0]
    assert "parsed" in json.loads(run(DOCUMENTS, str(file), "--json"))
    assert run(DOCUMENTS, str(file), "--question", QUESTION).strip() == seeded.answers[0]
