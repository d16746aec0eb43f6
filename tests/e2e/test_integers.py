"""Every integer that a caller can send, at the edges of its type and past them: answered or refused, never a defect."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from panope.v1 import alias_service_pb2 as alias_pb
from panope.v1 import embed_service_pb2 as pb
from panope.v1 import infer_service_pb2 as infer_pb
from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import registry_service_pb2 as registry_pb

POWERS = (8, 31, 32, 53, 63, 64)
EDGES = sorted({sign * (1 << power) + by for power in POWERS for by in (-1, 0, 1) for sign in (-1, 1)} | {-1, 0, 1})
#: As JSON numbers; the last ones are whole and have an exponent or a point.
NUMBERS = [*map(str, EDGES), "1e300", "-1e300", "1e19", "4294967296.0", "1e400", "-0", "0.5", "1" * 400]

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
    FieldDescriptor.CPPTYPE_ENUM,
}
ANSWERED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}


def held(server) -> float:
    lines = server.admin("/metrics").body.decode().splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith(("panope_in_flight_items{", "panope_queued_items{"))
    )


@pytest.fixture(autouse=True)
def nothing_stays_held(live_server):
    yield
    live_server.wait(lambda: held(live_server) == 0, 10, "an end of what calls held")
    answer = live_server.post("/v1/embed", {"model": live_server.model, "inputs": "still here"})
    assert answer.status == 200


def _inputs(**fields: str) -> str:
    tensor = {"name": '"input_ids"', "datatype": '"INT64"', "shape": "[1, 3]", "data": "[101, 7592, 102]"} | fields
    tensor_json = ", ".join(f'"{name}": {value}' for name, value in tensor.items())
    return f'{{"inputs": [{{{tensor_json}}}]}}'


BODIES = {
    "/v1/embed dimensions": ("/v1/embed", '{"model": "MODEL", "inputs": "a", "dimensions": §}'),
    "/v1/embed ids": ("/v1/embed", '{"model": "MODEL", "inputs": [[101, §]]}'),
    "/v1/embeddings dimensions": ("/v1/embeddings", '{"model": "MODEL", "input": ["a"], "dimensions": §}'),
    "/v1/embeddings ids": ("/v1/embeddings", '{"model": "MODEL", "input": [§]}'),
    "/v1/infer value.dimensions": ("/v1/infer/MODEL", '{"value": {"texts": ["a"], "dimensions": §}}'),
    "/v1/infer shape": ("/v1/infer/MODEL", _inputs(shape="[1, §]")),
    "/v1/infer shape and many axes": ("/v1/infer/MODEL", _inputs(shape="[0, §, §, §, §]", data="[]")),
    "/v1/infer INT64": ("/v1/infer/MODEL", _inputs(data="[101, §, 102]")),
    "/v1/infer INT8": ("/v1/infer/MODEL", _inputs(datatype='"INT8"', data="[101, §, 102]")),
    "/v1/infer UINT64": ("/v1/infer/MODEL", _inputs(datatype='"UINT64"', data="[101, §, 102]")),
    "/v1/infer FP32": ("/v1/infer/MODEL", _inputs(datatype='"FP32"', data="[101, §, 102]")),
}


@pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES)
def test_a_number_in_a_body_is_honoured_or_refused_as_the_callers(live_server, path: str, body: str) -> None:
    path = path.replace("MODEL", live_server.model)
    for number in NUMBERS:
        filled = body.replace("MODEL", live_server.model).replace("§", number)
        reply = live_server.post(path, body=filled.encode(), headers={"content-type": "application/json"})
        assert reply.status in (200, 400), (number, reply.body[:300])
        if reply.status == 400:
            assert len(reply.error["message"]) < 400, number  # the 400 digits are not repeated


@pytest.mark.parametrize("path", ["/v1/jobs?limit=§", "/v1/jobs?after=§", "/v1/models?limit=§"])
def test_a_number_in_a_query_is_honoured_or_refused_as_the_callers(live_server, path: str) -> None:
    for number in EDGES:
        reply = live_server.get(path.replace("§", str(number)))
        assert reply.status in (200, 400), (number, reply.body[:300])


@pytest.mark.parametrize("dimensions", [1 << 32, (1 << 32) + 1, 1 << 53, 1 << 64, int(1e300)], ids=hex)
def test_dimensions_past_what_a_frame_carries_are_refused_as_those_just_within(live_server, dimensions: int) -> None:
    texts = ["a"] * 512  # as many as an instance takes at a time
    model = live_server.model
    asked = {
        "dimensions": ("/v1/embed", {"model": model, "inputs": texts, "dimensions": dimensions}),
        "value.dimensions": (f"/v1/infer/{model}", {"value": {"texts": texts, "dimensions": dimensions}}),
    }
    for field, (path, body) in asked.items():
        reply = live_server.post(path, body)
        if dimensions >= 1 << 64 and field == "dimensions":
            assert reply.status == 400  # JSON's reader takes no such integer
        else:
            assert (reply.status, reply.error["param"]) == (400, field)


BASES: dict[str, dict[str, object]] = {
    "Embed": {"texts": ["a"]},
    "Tokenize": {"texts": ["a"]},
}
#: What must not be called at random on a server that other tests use.
LEFT_OUT = {"StreamDetect", "StreamEmbed", "StreamInfer", "WatchJob"}


def _integers(message: Descriptor, depth: int = 4) -> Iterator[list[int]]:
    """The numbers of the fields that lead to each integer of a message."""
    for field in message.fields:
        if field.cpp_type in INTEGERS:
            yield [field.number]
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE and depth:
            for path in _integers(field.message_type, depth - 1):
                yield [field.number, *path]


def _integer_fields() -> Iterator[tuple[MethodDescriptor, list[int]]]:
    for file in (alias_pb, pb, infer_pb, job_pb, registry_pb):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                for path in _integers(method.input_type):
                    if method.name not in LEFT_OUT:
                        yield method, path


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    parts = []
    while True:
        number, low = number >> 7, number & 127
        parts.append(low | (128 if number else 0))
        if not number:
            return bytes(parts)


def _field(path: list[int], number: int) -> bytes:
    """One field on the wire, inside those that lead to it."""
    *outer, last = path
    data = _varint(last << 3) + _varint(number)
    for each in reversed(outer):
        data = _varint(each << 3 | 2) + _varint(len(data)) + data
    return data


FIELDS = {f"{method.full_name} {'.'.join(map(str, path))}": (method, path) for method, path in _integer_fields()}


def test_every_integer_of_every_request_is_found() -> None:
    assert {
        "panope.v1.EmbedService.Embed 6",
        "panope.v1.EmbedService.Embed 3.1",
        "panope.v1.InferService.Infer 2.3",
    } <= {*FIELDS}


@pytest.mark.parametrize(("method", "path"), FIELDS.values(), ids=FIELDS)
def test_an_integer_of_a_message_is_honoured_or_refused_as_the_callers(live_server, stubs, method, path) -> None:
    name = f"/{method.containing_service.full_name}/{method.name}"
    call = stubs(live_server.grpc_address).channel.unary_unary(name)
    request = GetMessageClass(method.input_type)(**BASES.get(method.name, {}))
    if "model" in method.input_type.fields_by_name:
        request.model = live_server.model
    for number in EDGES:
        answer = call.future(request.SerializeToString() + _field(path, number), timeout=30)
        assert answer.code() in ANSWERED, (number, answer.details())


@pytest.mark.parametrize("number", [0.5, -1.0, 2.0**32, 2.0**64, 1e300, float("inf"), float("nan")])
def test_a_number_of_a_json_value_is_refused_by_name(live_server, stubs, number: float) -> None:
    value = struct_pb2.Value()
    value.struct_value.update({"texts": ["a"], "dimensions": number})
    with pytest.raises(grpc.RpcError) as caught:
        stubs(live_server.grpc_address).infer.Infer(infer_pb.InferRequest(model=live_server.model, value=value))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(("`value`", "`value.dimensions`"))
