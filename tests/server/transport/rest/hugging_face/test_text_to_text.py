"""Summaries and translations through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from rest_doubles.generation import Script
from rest_doubles.models import EMBEDDER, GENERATOR

from panope_backends.errors import InvalidInputError
from panope_backends.errors import OverloadedError as QueueFullError
from panope_server.tasks.generate.types import GenerateDelta, Sampling, TextToText

PATHS = [
    ("/v1/summarize", "summary_text"),
    (f"/v1/summarize/{GENERATOR}", "summary_text"),
    ("/v1/translate", "translation_text"),
    (f"/v1/translate/{GENERATOR}", "translation_text"),
]


def asked(edge):
    return edge.instances.calls[-1].input


@pytest.mark.parametrize(("path", "name"), PATHS)
def test_a_text_is_turned_into_another(edge, path, name):
    reply = edge.post(path, {"inputs": "Say"})
    assert (reply.status, reply.json) == (200, [{name: "Hello wörld"}])
    assert (asked(edge).prompts, edge.instances.calls[-1].model) == (["Say"], GENERATOR)
    task = "summarization" if name == "summary_text" else "translation"
    assert asked(edge).text_to_text == TextToText(task)
    assert asked(edge).options.sampling == Sampling(temperature=0.0)
    reply = edge.post(path, {"inputs": ["Say", "this"]})
    assert reply.json == [{name: "Hello wörld"}] * 2


def test_the_client_summarizes(edge):
    client = InferenceClient(model=f"{edge.url}/v1/summarize/{GENERATOR}")
    told = client.summarization(
        "A long text.",
        clean_up_tokenization_spaces=True,
        generate_parameters={"max_length": 60},
        truncation="only_first",
    )
    assert told.summary_text == "Hello wörld"
    assert asked(edge).text_to_text == TextToText("summarization", truncate=True, max_length=60)


def test_the_client_translates(edge):
    client = InferenceClient(model=f"{edge.url}/v1/translate/{GENERATOR}")
    parameters = {"max_new_tokens": 50, "min_length": 3, "temperature": 0.5, "seed": 4}
    told = client.translation("A text.", src_lang="eng_Latn", tgt_lang="deu_Latn", generate_parameters=parameters)
    assert told.translation_text == "Hello wörld"
    assert asked(edge).text_to_text == TextToText("translation", "eng_Latn", "deu_Latn", min_length=3)
    assert (asked(edge).options.max_tokens, asked(edge).options.sampling) == (50, Sampling(temperature=0.5, seed=4))


def test_the_asynchronous_client_translates(edge):
    async def run():
        async with AsyncInferenceClient(model=f"{edge.url}/v1/translate") as client:
            return await client.translation("A text.")

    assert edge.run(run()).translation_text == "Hello wörld"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"generate_parameters": {"num_beams": 4}}, "parameters.generate_parameters.num_beams"),
        ({"generate_parameters": {"early_stopping": True}}, "parameters.generate_parameters.early_stopping"),
        ({"generate_parameters": {"use_cache": False}}, "parameters.generate_parameters.use_cache"),
        ({"generate_parameters": {"penalty_alpha": 0.5}}, "parameters.generate_parameters.penalty_alpha"),
        (
            {"generate_parameters": {"max_length": 5, "max_new_tokens": 5}},
            "parameters.generate_parameters.max_length",
        ),
        ({"generate_parameters": {"min_length": 9, "max_length": 5}}, "parameters.generate_parameters.min_length"),
        ({"truncation": "only_second"}, "parameters.truncation"),
        ({"src_lang": "a" * 65, "tgt_lang": "b"}, "parameters.src_lang"),
        ({"language": "de"}, "parameters.language"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(edge, parameters, field):
    reply = edge.post("/v1/translate", {"inputs": "Say", "parameters": parameters})
    assert reply.status == 400
    assert reply.error["param"] == field


def test_languages_are_no_fields_of_a_summary(edge):
    reply = edge.post("/v1/summarize", {"inputs": "Say", "parameters": {"src_lang": "en"}})
    assert (reply.status, reply.error["param"]) == (400, "parameters.src_lang")


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ("source_language", "parameters.src_lang"),
        ("target_language", "parameters.tgt_lang"),
        ("text_to_text", "model"),
        ("prompts[0]", "inputs"),
        ("max_tokens", "parameters.generate_parameters.max_new_tokens"),
    ],
)
def test_what_a_model_refuses_has_the_bodys_names(edge, named, field):
    edge.instances.failure = InvalidInputError.at(named, "{field} is not for this model")
    with pytest.raises(BadRequestError, match=field):
        InferenceClient(model=f"{edge.url}/v1/translate").translation("Say")
    reply = edge.post("/v1/translate", {"inputs": "Say"})
    assert reply.error["param"] == field


def test_other_errors_have_their_status(edge):
    with pytest.raises(HfHubHTTPError) as refusal:
        InferenceClient(model=f"{edge.url}/v1/translate/nobody/nothing").translation("Say")
    assert refusal.value.response.status_code == 404
    assert edge.post(f"/v1/translate/{EMBEDDER}", {"inputs": "Say"}).status == 400
    edge.instances.failure = QueueFullError("full")
    with pytest.raises(HfHubHTTPError) as refusal:
        InferenceClient(model=f"{edge.url}/v1/summarize").summarization("Say")
    assert refusal.value.response.status_code == 429


def test_blanks_are_taken_out_when_asked_for(edge):
    written = "It 's good , is n't it ?"
    edge.instances.script = Script(deltas=[GenerateDelta(text=written, finish_reason="stop")])
    for cleans, text in ((None, written), (False, written), (True, "It's good, isn't it?")):
        parameters = {} if cleans is None else {"clean_up_tokenization_spaces": cleans}
        reply = edge.post("/v1/summarize", {"inputs": "Say", "parameters": parameters})
        assert reply.json == [{"summary_text": text}]
