"""Translators as hubs have them, through a server, Envoy and the clients that people have."""

from __future__ import annotations

import grpc
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope_backends.testing.translators import ENGLISH, tiny_m2m, tiny_marian
from panope_registry.session import RegistrySession

PAIR, MANY = "acme/opus-mt-en-de", "acme/m2m100"

pytestmark = [
    pytest.mark.slow,  # two conversions
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A Marian of two languages, and an M2M-100."""
    made = {name: tmp_path_factory.mktemp("translator") for name in (PAIR, MANY)}
    tiny_marian(made[PAIR])
    tiny_m2m(made[MANY])
    return made


@pytest.fixture(scope="module")
def translators(make_servers, folders, tmp_path_factory):
    """A server with both, which Panope runs by OpenVINO."""
    folder = tmp_path_factory.mktemp("translators")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, source in folders.items():
        session.registry.import_folder(source, name)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start(
            "--load", PAIR, "--load", MANY, home=home, demo=False, ready=False, PANOPE_PRECISION="fp32"
        )
        server.wait_ready(600)
        yield server
    finally:
        servers.stop()


def by_transformers(folder, text: str, source: str = "", target: str = "") -> str:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    if source:
        tokenizer.src_lang = source
    forced = {"forced_bos_token_id": tokenizer.get_lang_id(target)} if target else {}
    with torch.inference_mode():
        made = model.generate(**tokenizer(text, return_tensors="pt"), num_beams=1, do_sample=False, **forced)
    return tokenizer.decode(made[0], skip_special_tokens=True)


def test_hugging_faces_client_translates_as_transformers_does(translators, folders):
    right = by_transformers(folders[PAIR], ENGLISH[0])
    client = InferenceClient(model=f"{translators.http_url}/v1/translate/{PAIR}")
    assert client.translation(ENGLISH[0]).translation_text.strip() == right
    assert client.translation(ENGLISH[0], src_lang="en", tgt_lang="de").translation_text.strip() == right
    with pytest.raises(BadRequestError, match="tgt_lang"):
        client.translation(ENGLISH[0], src_lang="en", tgt_lang="fr")


def test_grpc_translates_as_transformers_does(translators, folders, stubs):
    stub = pb_grpc.GenerateServiceStub(stubs(translators.grpc_address).channel)
    asked = request(PAIR)
    assert stub.Generate(asked, timeout=120).completions[0].text.strip() == by_transformers(folders[PAIR], ENGLISH[1])


def test_a_model_of_many_languages_is_told_them(translators, folders, stubs):
    right = by_transformers(folders[MANY], ENGLISH[1], "en", "de")
    client = InferenceClient(model=f"{translators.http_url}/v1/translate/{MANY}")
    assert client.translation(ENGLISH[1], src_lang="en", tgt_lang="de").translation_text.strip() == right
    with pytest.raises(BadRequestError, match="tgt_lang"):
        client.translation(ENGLISH[1], src_lang="en", tgt_lang="tlh")
    stub = pb_grpc.GenerateServiceStub(stubs(translators.grpc_address).channel)
    asked = request(MANY, source_language="en", target_language="de")
    assert stub.Generate(asked, timeout=120).completions[0].text.strip() == right
    with pytest.raises(grpc.RpcError) as refusal:
        stub.Generate(request(MANY, source_language="en"), timeout=120)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def request(model: str, **languages: str) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        model=model,
        prompts=[ENGLISH[1]],
        options=generation.GenerationOptions(sampling=generation.SamplingParams(temperature=0)),
        text_to_text=pb.TextToText(task=pb.TEXT_TASK_TRANSLATION, **languages),
    )


def test_texts_are_tokens_of_the_models_own_vocabulary(translators, folders):
    from transformers import AutoTokenizer

    told = translators.post("/v1/tokenize", {"model": PAIR, "prompt": ENGLISH[0]}).json
    assert told["tokens"] == AutoTokenizer.from_pretrained(folders[PAIR])(ENGLISH[0])["input_ids"]
    back = translators.post("/v1/detokenize", {"model": PAIR, "tokens": told["tokens"][:-1]}).json
    assert back["prompt"].strip() == ENGLISH[0]


def test_openvino_runs_them(translators):
    for model in (PAIR, MANY):
        (instance,) = translators.get(f"/v1/models/{model}/info").json["instances"]
        assert instance["backend"] == "openvino"
