"""Questions about images, and texts of images, through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import base64
import json

import pytest
from huggingface_hub import InferenceClient
from rest_doubles.models import GENERATOR, OCR

from panope_server.tasks.generate.types import Sampling

FILE = b"\x89PNG\r\n\x1a\n..."
BASE64 = base64.b64encode(FILE).decode()
QUESTIONS = "/v1/visual-question-answering"
IMAGES = "/v1/image-to-text"
DOCUMENTS = "/v1/document-question-answering"

#: What the double reads: two lines.
LINE, READ = "a fox", "a fox\na fox"


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


def test_the_client_asks_about_a_document(edge):
    client = InferenceClient(model=f"{edge.url}{DOCUMENTS}/{GENERATOR}")
    (told,) = client.document_question_answering(FILE, "What does it cost?", max_answer_len=9, top_k=1)
    assert (told.answer, 0 <= told.score <= 1) == ("Hello wörld", True)
    assert content(edge) == [{"type": "image"}, {"type": "text", "text": "What does it cost?"}]
    assert asked(edge).options.max_tokens == 9


def test_a_model_that_reads_text_is_asked_to_read_and_to_answer(edge):
    assert InferenceClient(model=f"{edge.url}{IMAGES}/{OCR}").image_to_text(FILE).generated_text == READ
    assert ([image.content for image in asked(edge).images], asked(edge).question) == ([FILE], "")
    for path in (QUESTIONS, DOCUMENTS):
        client = InferenceClient(model=f"{edge.url}{path}/{OCR}")
        ask = client.visual_question_answering if path == QUESTIONS else client.document_question_answering
        (told,) = ask(FILE, "What does it cost?")
        assert (told.answer, told.score) == (LINE, 0.75)
        assert asked(edge).question == "What does it cost?"
    body = {"inputs": BASE64, "model": OCR, "parameters": {"max_new_tokens": 7}}
    assert edge.post(IMAGES, body).json == [{"generated_text": READ}]
    assert asked(edge).max_tokens == 7


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
        (DOCUMENTS, {"inputs": BASE64}, "inputs"),
        (DOCUMENTS, {"inputs": {"image": BASE64}}, "inputs.question"),
        (DOCUMENTS, {"inputs": {"image": "ftp://a", "question": "b"}}, "inputs.image"),
        (DOCUMENTS, {"inputs": {"image": BASE64, "question": "b"}, "parameters": {"top_k": 2}}, "parameters.top_k"),
        (DOCUMENTS, {"inputs": {"image": BASE64, "question": "b"}, "parameters": {"lang": "en"}}, "parameters.lang"),
        (
            DOCUMENTS,
            {"inputs": {"image": BASE64, "question": "b" * 20_000}, "model": OCR},
            "inputs.question",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(edge, path, body, field):
    reply = edge.post(path, body)
    assert (reply.status, reply.error["param"]) == (400, field), reply.body
    assert edge.instances.calls == []
