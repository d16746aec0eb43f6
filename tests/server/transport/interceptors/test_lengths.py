"""No text of a caller is repeated without a bound: not in an answer, its trailers, or a line of the log."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import panope.v1
from panope.rest.v1 import path_pb2
from panope.v1 import classify_service_pb2, embed_service_pb2, registry_service_pb2
from panope.v1.media_pb2 import Image
from panope_backends.errors import InvalidInputError, OverloadedError, PreconditionError
from panope_server.tasks.links import MAX_URL_CHARACTERS, file_url
from panope_server.transport.errors import MAX_MESSAGE_BYTES, message_of, status_of, trailers_of
from panope_server.transport.grpc.streams import stream_error
from panope_server.transport.interceptors.lengths import LONGER, MAX_WORDS, check_lengths
from panope_server.transport.rest.hugging_face import schemas as hugging_face
from panope_server.transport.rest.openai import schemas as openai
from panope_server.transport.rest.panope import alias_schemas, infer_schemas, model_schemas, registry_schemas

SERVICES = [
    importlib.import_module(f"panope.v1.{found.name}")
    for found in pkgutil.iter_modules(panope.v1.__path__)
    if found.name.endswith("_service_pb2")
]

#: Texts that are a model's input or a tensor's name: the pipeline checks them.
IN_THE_PIPELINE = {
    *("texts", "second_texts", "query", "documents", "questions", "contexts", "prompts", "text", "reasoning"),
    *("candidate_labels", "hypothesis_template", "output_names", "uri"),
}


def requests() -> Iterator[Descriptor]:
    for module in SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from (method.input_type for method in service.methods)
    yield from path_pb2.DESCRIPTOR.message_types_by_name.values()


def texts(kind: Descriptor, way: tuple[FieldDescriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The way to each field that holds text."""
    for field in kind.fields:
        if field.type == FieldDescriptor.TYPE_STRING and field.name not in IN_THE_PIPELINE:
            yield (*way, field)
        if field.type == FieldDescriptor.TYPE_MESSAGE and not field.message_type.full_name.startswith("google."):
            yield from texts(field.message_type, (*way, field))


FIELDS = [(kind, way) for kind in requests() for way in texts(kind)]


def filled(kind: Descriptor, way: tuple[FieldDescriptor, ...], text: str) -> Message:
    message = GetMessageClass(kind)()
    here: Any = message
    for field in way[:-1]:
        here = getattr(here, field.name).add() if field.is_repeated else getattr(here, field.name)
    if way[-1].is_repeated:
        getattr(here, way[-1].name).append(text)
    else:
        setattr(here, way[-1].name, text)
    return message


@pytest.mark.parametrize(
    ("kind", "way"), FIELDS, ids=lambda told: ".".join(f.name for f in told) if isinstance(told, tuple) else told.name
)
def test_every_text_of_every_message_has_a_limit_that_is_told_by_name(
    kind: Descriptor, way: tuple[FieldDescriptor, ...]
):
    limit = LONGER.get(way[-1].name, 256)
    check_lengths(filled(kind, way, "é" * limit))
    with pytest.raises(InvalidInputError) as raised:
        check_lengths(filled(kind, way, "é" * (limit + 1)))
    assert raised.value.field.replace("[0]", "") == ".".join(field.name for field in way)
    assert f"the limit is {limit:,}" in raised.value.message


def test_lists_of_words_have_a_limit_too():
    with pytest.raises(InvalidInputError, match=f"`include` has {MAX_WORDS + 1:,} items; the limit is {MAX_WORDS:,}"):
        check_lengths(registry_service_pb2.PullModelRequest(include=["a"] * (MAX_WORDS + 1)))


def test_a_models_input_is_no_name():
    check_lengths(embed_service_pb2.EmbedRequest(texts=["a" * 100_000] * 2))


def test_a_url_may_hold_a_file_and_that_of_a_file_elsewhere_has_a_limit():
    url = f"data:image/png;base64,{'A' * 100_000}"
    message = classify_service_pb2.ClassifyImagesRequest(images=[Image(uri=url)])
    check_lengths(message)
    assert file_url(url, "images[0].uri") == url
    with pytest.raises(InvalidInputError, match=r"`images.0..uri` has 8,193 characters; the limit is 8,192"):
        file_url("https://a.example/".ljust(MAX_URL_CHARACTERS + 1, "a"), "images[0].uri")


def structs() -> Iterator[type[msgspec.Struct]]:
    for module in (alias_schemas, hugging_face, infer_schemas, model_schemas, openai, registry_schemas):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__:
                yield kind


def unbounded(kind: msgspec.inspect.Type) -> bool:
    match kind:
        case msgspec.inspect.StrType():
            return kind.max_length is None
        case msgspec.inspect.UnionType():
            return any(map(unbounded, kind.types))
        case msgspec.inspect.ListType():
            return kind.max_length is None or unbounded(kind.item_type)
    return False


#: What a model is asked has its limits in the pipeline.
OF_MANAGEMENT = (alias_schemas.__name__, registry_schemas.__name__)
BODIES = [kind for kind in structs() if kind.__module__ in OF_MANAGEMENT or kind is model_schemas.LoadBody]


@pytest.mark.parametrize("body", BODIES, ids=lambda kind: kind.__name__)
def test_every_text_of_a_body_of_management_has_a_limit(body: type[msgspec.Struct]):
    info = msgspec.inspect.type_info(body)
    assert isinstance(info, msgspec.inspect.StructType)
    assert [field.encode_name for field in info.fields if unbounded(field.type)] == []


HUGE = "😀" * 250_000


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError(f"there is no prompt `{HUGE}`", field=HUGE),
        OverloadedError(HUGE, field=HUGE, retry_after_seconds=1),
        PreconditionError("two", details={f"{n}{HUGE}": HUGE for n in range(100)}),
    ],
)
def test_trailers_stay_below_what_every_client_and_envoy_take(error):
    percent_encoded = 3 * len(message_of(error).encode())
    in_base64 = sum(
        len(name) + (len(value) if isinstance(value, str) else len(value) * 4 // 3)
        for name, value in trailers_of(error)
    )
    assert percent_encoded + in_base64 < 8 << 10
    assert len(status_of(error).message.encode()) <= MAX_MESSAGE_BYTES
    assert len(stream_error(error).SerializeToString()) < 2 << 10


def test_a_message_that_is_cut_still_tells_what_is_wrong():
    said = message_of(InvalidInputError(f"there is no prompt `{HUGE}`; the model has `query` and `passage`"))
    assert said.startswith("there is no prompt `😀")
    assert said.endswith("; the model has `query` and `passage`")
