"""Models with a Router: which route texts take, and what each gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import embed_pb2, tokenize_pb2
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.files.modules_file import PURPOSES
from panope_backends.tasks.embed.files.router_file import read_router
from panope_backends.tasks.task import SequenceJob
from panope_backends.testing.serving import served
from panope_backends.worker.loading import ServedModel

Write = Callable[..., Path]

_TYPE = "sentence_transformers.base.modules."
ENCODER = {"idx": 0, "name": "0", "path": "", "type": f"{_TYPE}transformer.Transformer"}
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
ROUTER = {"idx": 2, "name": "2", "path": "2_Router", "type": f"{_TYPE}router.Router"}
SCALED = {"scaled": "sentence_transformers.models.Normalize"}


def routed(folder: Path) -> ServedModel:
    return served(folder, backend="panope_backends.testing:EchoBackend")


def after_pooling(sentence_model: Write, other: str = "document", **parameters: object) -> ServedModel:
    """A model whose vectors are scaled to length 1 for queries, and not for what is no query."""
    structure = {"query": ["scaled"], other: []}
    router = {"types": SCALED, "structure": structure, "parameters": parameters}
    files = {"2_Router/router_config.json": router, "config_sentence_transformers.json": {"prompts": {"query": ""}}}
    return routed(sentence_model(files, (ENCODER, POOLING, ROUTER)))


def prepared(model: ServedModel, *texts: str, **fields: Any) -> SequenceJob:
    work = embed_pb2.EmbedInput(**{"texts": texts, "truncation": "refuse", **fields})
    job = model.requests["embed"](work.SerializeToString())
    assert isinstance(job, SequenceJob)
    return job


def lengths(model: ServedModel, *texts: str, **fields: Any) -> list[float]:
    """Of the vectors."""
    assert model.sequences is not None
    job = prepared(model, *texts, **fields)
    answer = embed_pb2.EmbedOutput.FromString(job.answer(model.sequences.run(job.sequences)))
    vectors = np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.dimensions)
    return [float(length) for length in np.linalg.norm(vectors, axis=1)]


@pytest.mark.parametrize(
    ("parameters", "structure"),
    [
        ({}, ("query", "document")),
        ({"default_route": "document"}, ("query", "document")),
        ({"allow_empty_key": False}, ("query", "document")),
        ({"route_mappings": {"('query', 'text')": "a"}, "default_route": "b"}, ("a", "b")),
        ({"route_mappings": {"('query', None)": "a", "(None, 'text')": "b"}}, ("a", "b", "query")),
        ({"route_mappings": {"(None, None)": "b"}}, ("a", "b", "query")),
        ({"route_mappings": {"('query', ('text', 'image'))": "a", "(None, 'image')": "b"}}, ("a", "b", "text")),
        ({"route_mappings": {"('document', 'text')": "a"}}, ("b", "a")),
    ],
)
def test_a_route_is_found_as_the_librarys_router_finds_it(
    tmp_path: Path, parameters: Mapping[str, Any], structure: tuple[str, ...]
) -> None:
    import torch
    from sentence_transformers.base.modules import Router

    library = Router({route: [torch.nn.Identity()] for route in structure})
    types = {"module": "torch.nn.Identity"}
    file = {"types": types, "structure": {route: ["module"] for route in structure}, "parameters": parameters}
    (tmp_path / "router_config.json").write_text(json.dumps(file))
    ours = read_router(tmp_path)
    library = Router(
        {route: [torch.nn.Identity()] for route in structure},
        parameters.get("default_route"),
        parameters.get("allow_empty_key", True),
        {eval(key): route for key, route in parameters.get("route_mappings", {}).items()},
    )
    for purpose in PURPOSES:
        try:
            wanted = library._resolve_route(purpose or None, "text")
        except ValueError:
            wanted = None
        assert ours.route_of(purpose) == wanted, purpose


def test_texts_take_the_route_of_what_they_are_for(sentence_model: Write) -> None:
    model = after_pooling(sentence_model, default_route="document")
    assert lengths(model, "w1 w2", purpose="query") == [pytest.approx(1)]
    (document,) = lengths(model, "w1 w2", purpose="document")
    assert document > 1.5
    assert lengths(model, "w1 w2") == [document]
    assert lengths(model, "w1 w2", prompt_name="query") == [pytest.approx(1)]


def test_token_ids_take_a_route_too(sentence_model: Write) -> None:
    model = after_pooling(sentence_model, default_route="document")
    ids = [tokenize_pb2.TokenSequence(ids=[1, 5, 2])]
    assert lengths(model, token_sequences=ids, purpose="query") == [pytest.approx(1)]
    assert lengths(model, token_sequences=ids)[0] > 1.5


def test_texts_of_several_routes_run_in_one_batch(sentence_model: Write) -> None:
    model = after_pooling(sentence_model, default_route="document")
    assert model.sequences is not None
    jobs = [prepared(model, "w1 w2", "w3", purpose=purpose) for purpose in ("query", "document")]
    rows = [row for pair in zip(*(job.sequences for job in jobs), strict=True) for row in pair]
    together = model.sequences.run(rows)
    for place, row in enumerate(rows):
        np.testing.assert_allclose(together[place], model.sequences.run([row])[0], rtol=1e-6)


@pytest.mark.parametrize("fields", [{"texts": ["w1"]}, {"token_sequences": [tokenize_pb2.TokenSequence(ids=[5])]}])
def test_texts_for_nothing_in_particular_need_a_default_route(sentence_model: Write, fields: Mapping[str, Any]) -> None:
    model = after_pooling(sentence_model, allow_empty_key=False)
    told = "`purpose` must be one of query, document: the model has no route for other texts"
    with pytest.raises(InvalidInputError, match=told):
        prepared(model, **fields)


@pytest.mark.parametrize("name", ["doc", "passage", "corpus"])
def test_documents_take_the_route_of_another_name_for_them(sentence_model: Write, name: str) -> None:
    model = after_pooling(sentence_model, other=name)
    assert lengths(model, "w1 w2", purpose="document")[0] > 1.5


def test_a_purpose_without_a_route_is_refused_though_there_is_a_default(sentence_model: Write) -> None:
    model = after_pooling(sentence_model, other="title")
    with pytest.raises(InvalidInputError, match="`purpose` must be one of query: "):
        prepared(model, "w1", purpose="document")


def test_the_facts_tell_of_every_route(sentence_model: Write) -> None:
    facts = embed_pb2.EmbedFacts.FromString(after_pooling(sentence_model).ready.facts)
    assert (facts.pooling, facts.normalize) == ("query: mean, document: mean", False)


def two_encoders(sentence_model: Write, **settings: object) -> Path:
    """A Router of two copies of the encoder, the queries' tokenizer with settings of its own."""
    kinds = {"Transformer": "transformer.Transformer", "Pooling": "pooling.Pooling"}
    types = {f"{route}_{kind}": f"{_TYPE}{place}" for route in ("query", "document") for kind, place in kinds.items()}
    structure = {route: [f"{route}_Transformer", f"{route}_Pooling"] for route in ("query", "document")}
    router = {"types": types, "structure": structure, "parameters": {"default_route": "document"}}
    folder = sentence_model({"router_config.json": router}, ({**ROUTER, "path": ""},))
    for route in structure:
        (folder / f"{route}_Pooling").mkdir()
        shutil.copy(folder / "1_Pooling/config.json", folder / f"{route}_Pooling/config.json")
        (folder / f"{route}_Transformer").mkdir()
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(folder / name, folder / f"{route}_Transformer" / name)
    place = folder / "query_Transformer/tokenizer_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **settings}))
    return folder


def test_routes_whose_tokenizer_is_the_same_answer_for_tokens(sentence_model: Write) -> None:
    model = routed(two_encoders(sentence_model))
    work = tokenize_pb2.TokenizeInput(texts=["w1"]).SerializeToString()
    assert model.requests["tokenize"](work)


def test_tokens_of_routes_with_tokenizers_of_their_own_are_refused_by_name(sentence_model: Write) -> None:
    model = routed(two_encoders(sentence_model, do_lower_case=True, extra_special_tokens=["w9"]))
    with pytest.raises(PreconditionError, match="routes have tokenizers of their own"):
        model.requests["tokenize"](tokenize_pb2.TokenizeInput(texts=["w1"]).SerializeToString())


def test_a_model_of_images_and_texts_is_no_route(sentence_model: Write) -> None:
    structure = {"query": ["clip"], "document": ["clip"]}
    router = {"types": {"clip": "sentence_transformers.models.CLIPModel"}, "structure": structure, "parameters": {}}
    config = {"architectures": ["CLIPModel"], "model_type": "clip", "text_config": {}, "vision_config": {}}
    files = {"2_Router/router_config.json": router, "2_Router/clip/config.json": config}
    with pytest.raises(PreconditionError, match="lists a Router with a model of images and texts"):
        routed(sentence_model(files, (ROUTER,)))


def test_a_route_of_more_modules_than_any_model_has_is_refused_by_their_number(sentence_model: Write) -> None:
    structure = {"query": ["scaled"] * 5000, "document": []}
    files = {"2_Router/router_config.json": {"types": SCALED, "structure": structure, "parameters": {}}}
    with pytest.raises(PreconditionError, match=r"a text passes 5,002 modules; the most are 64$"):
        routed(sentence_model(files, (ENCODER, POOLING, ROUTER)))


@pytest.mark.parametrize("path", ["p" * 100_000, "1_Pooling\0"])
def test_a_module_in_a_folder_that_cannot_be_is_refused_by_the_folder(sentence_model: Write, path: str) -> None:
    with pytest.raises(PreconditionError, match=r"cannot be read in the folder `(p+…|1_Pooling)") as refused:
        routed(sentence_model({}, (ENCODER, {**POOLING, "path": path})))
    assert len(str(refused.value)) < 200
