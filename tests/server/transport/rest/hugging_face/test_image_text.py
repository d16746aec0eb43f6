"""Questions about images, and texts of images, through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import base64
import json

import pytest
from huggingface_hub import InferenceClient
from rest_doubles.models import GENERATOR

from panope_server.tasks.generate.types import Sampling

FILE = b"\x89PNG\r\n\x1a\n..."
BASE64 = base64.b64encode(FILE).decode()
QUESTIONS = "/v1/visual-question-answering"
IMAGES = "/v1/image-to-text"


def asked(edge):
    return edge.instances.calls[-1].input


def content(edge):
    return json.loads(asked(edge).conversation.messages)[0]["content"]


def test_the_client_asks_about_an_image(edge):
    client = InferenceClient(model=f"{edge.url}{QUESTIONS}/{GENERATOR}")
    (told,) = client.visual_question_answering(FILE, "What is it?")
    assert (told.answer, 0 <= told.score <= 1) == ("Hello wörld", True)
    assert content(edge) == [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    (image,) = asked(edge).conversation.images
    assert image.data_url.endswith(BASE64)
    assert (asked(edge).options.sampling, asked(edge).options.logprobs) == (Sampling(temperature=0.0), 0)


def test_the_client_asks_what_is_in_an_image(edge):
    client = InferenceClient(model=f"{edge.url}{IMAGES}/{GENERATOR}")
    assert client.image_to_text(FILE).generated_text == "Hello wörld"
    assert [image.content for image in asked(edge).conversation.images] == [FILE]
    assert content(edge) == [{"type": "image"}]


@pytest.mark.parametrize("inputs", [BASE64, f"data:image/png;base64,{BASE64}"])
def test_options_go_with_json(edge, inputs):
    reply = edge.post(IMAGES, {"inputs": inputs, "model": GENERATOR, "parameters": {"max_new_tokens": 7}})
    assert (reply.status, reply.json) == (200, [{"generated_text": "Hello wörld"}])
    assert (asked(edge).options.max_tokens, asked(edge).options.logprobs) == (7, None)
    body = {"inputs": {"image": inputs, "question": "What?"}, "parameters": {"top_k": 1}}
    assert edge.post(QUESTIONS, body).status == 200
    assert content(edge)[1]["text"] == "What?"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (QUESTIONS, {"inputs": BASE64}, "question"),
        (QUESTIONS, {"inputs": BASE64, "question": "a", "image": "other"}, "image"),
        (QUESTIONS, {"inputs": {"image": BASE64, "question": "a"}, "question": "b"}, "question"),
        (QUESTIONS, {"inputs": BASE64, "question": "a", "parameters": {"top_k": 2}}, "parameters.top_k"),
        (QUESTIONS, {"inputs": "https://a.example/b.png", "question": "a"}, "inputs"),
        (IMAGES, {"inputs": BASE64, "colour": 1}, "colour"),
        (IMAGES, {}, "inputs"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(edge, path, body, field):
    reply = edge.post(path, body)
    assert (reply.status, reply.error["param"]) == (400, field), reply.body
    assert edge.instances.calls == []
