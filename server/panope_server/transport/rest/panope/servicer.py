"""Serves Panope's own routes: what is run on models, and which are loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import grpc
import orjson
from google.api.httpbody_pb2 import HttpBody
from msgspec import UNSET

from panope.rest.v1 import panope_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPath, ModelPathWithBody, NoPath
from panope_backends.errors import InvalidInputError
from panope_registry.catalogue import read_part
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.transport.answers import answer_of
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.keep_alive import keep_alive_from
from panope_server.transport.rest.embedding.vectors import value_json
from panope_server.transport.rest.json.query import query_of, unknown_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import encoded_response, json_response
from panope_server.transport.rest.panope.catalogue_schemas import catalogue_json
from panope_server.transport.rest.panope.infer_schemas import InferBody
from panope_server.transport.rest.panope.model_schemas import DevicesJson, LoadBody, UnloadBody, device_json, model_info
from panope_server.transport.rest.panope.tensor_json import OutputBody, TensorBody, named_tensor, tensor_json
from panope_server.transport.rest.panope.tokens import TokenRoutes
from panope_server.transport.services import Services
from panope_server.transport.task_value import run_value, value_input

_INTERFACE = "PanopeService/Infer"

_NAMES = FieldNames({"output_names": "outputs"})


_INFER = RequestBody(InferBody)
_LOAD = RequestBody(LoadBody)
_UNLOAD = RequestBody(UnloadBody)


class PanopeServicer(pb_grpc.PanopeServiceServicer):
    """Serves panope.rest.v1.PanopeService."""

    def __init__(self, pipeline: Pipeline, models: Models, *, report_unknown: bool = False) -> None:
        self._pipeline = pipeline
        self._models = models
        self._report_unknown = report_unknown
        self._tokens = TokenRoutes(pipeline, models, report_unknown=report_unknown)

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(services.pipeline, services.models, report_unknown=report)
        pb_grpc.add_PanopeServiceServicer_to_server(servicer, server)

    async def Infer(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Runs a model on tensors or on its task's value."""
        unknown = unknown_of(context, report=self._report_unknown)
        body = await off_loop(len(request.body.data), _INFER.read, request.body, unknown)
        if (body.inputs is UNSET) == (body.value is UNSET):
            raise InvalidInputError("the body needs one of `inputs` and `value`", field="inputs")
        if isinstance(body.inputs, list):
            if body.task is not UNSET:
                raise InvalidInputError("`task` goes with `value` alone", field="task")
            answer = await self._infer_tensors(request, body, body.inputs, context)
        elif body.outputs:
            raise InvalidInputError("`outputs` goes with `inputs` alone", field="outputs")
        else:
            answer = await self._infer_value(request.model, body, context)
        unknown.tell(context)
        return answer

    async def _infer_tensors(
        self, request: ModelPathWithBody, body: InferBody, given: list[TensorBody], context: Context
    ) -> HttpBody:
        inputs = await off_loop(len(request.body.data), _named_tensors, given)
        wanted = [OutputBody(item) if isinstance(item, str) else item for item in body.outputs]
        task_input = TensorInput(inputs, [output.name for output in wanted])
        call = call_for(context, model=request.model, task_input=task_input, task="", interface=_INTERFACE)
        answer = await answer_of(self._pipeline, call, TensorOutput, _tensor_name)
        raw = {output.name for output in wanted if output.raw}
        size = sum(len(tensor.data) for tensor in answer.outputs)
        return encoded_response(await off_loop(size, _printed, call.model, answer.outputs, raw))

    async def _infer_value(self, model: str, body: InferBody, context: Context) -> HttpBody:
        task_input = value_input(body.value, "" if body.task is UNSET else body.task)
        call = call_for(context, model=model, task_input=task_input, task="", interface=_INTERFACE)
        value = await value_json(await run_value(self._pipeline, call))
        return encoded_response(b'{"model":' + orjson.dumps(call.model) + b',"value":' + value + b"}")

    async def TokenizeText(self, request: HttpBody, context: Context) -> HttpBody:
        """Splits a text into tokens."""
        return await self._tokens.tokenize(request, context)

    async def DetokenizeText(self, request: HttpBody, context: Context) -> HttpBody:
        """Joins tokens into a text."""
        return await self._tokens.detokenize(request, context)

    async def GetModelInfo(self, request: ModelPath, context: Context) -> HttpBody:
        """Tells everything about one model."""
        query_of(context)
        return json_response(model_info(await self._models.get(request.model)))

    async def LoadModel(self, request: HttpBody, context: Context) -> HttpBody:
        """Loads a model; answers when it serves."""
        query_of(context)
        body = _LOAD.read(request)
        constraints = LoadConstraints(
            body.backend,
            body.precision,
            body.variant,
            body.instances,
            tuple(body.preferred_backends),
            body.tensor_parallel,
        )
        view = await self._models.load(body.model, constraints, keep_alive_from(body.keep_alive, "keep_alive"))
        return json_response(model_info(view))

    async def UnloadModel(self, request: HttpBody, context: Context) -> HttpBody:
        """Unloads a model; answers when its memory is free."""
        query_of(context)
        return json_response(model_info(await self._models.unload(_UNLOAD.read(request).model)))

    async def ListDevices(self, request: NoPath, context: Context) -> HttpBody:
        """Lists the devices, preferred ones first."""
        query_of(context)
        return json_response(
            DevicesJson(
                [device_json(device, self._models.device_usage(device)) for device in await self._models.devices()]
            )
        )

    async def GetCatalogue(self, request: NoPath, context: Context) -> HttpBody:
        """Tells which architectures are recognised, load and serve."""
        query = query_of(context, ("task", "backend"))
        return await asyncio.to_thread(_catalogue, query)


def _catalogue(query: Mapping[str, str]) -> HttpBody:
    return json_response(catalogue_json(read_part(task=query.get("task", ""), backend=query.get("backend", ""))))


def _named_tensors(bodies: list[TensorBody]) -> list[NamedTensor]:
    return [named_tensor(body, f"inputs[{index}]") for index, body in enumerate(bodies)]


def _printed(model: str, outputs: list[NamedTensor], raw: set[str]) -> bytes:
    told = [
        orjson.dumps(tensor_json(tensor, raw=tensor.name in raw), option=orjson.OPT_SERIALIZE_NUMPY)
        for tensor in outputs
    ]
    return b'{"model":' + orjson.dumps(model) + b',"outputs":[' + b",".join(told) + b"]}"


def _tensor_name(path: str) -> str:
    """The body's path of a field; a tensor may itself be called `data_type`."""
    if path.endswith("].data_type"):
        path = path.removesuffix("data_type") + "datatype"
    return _NAMES(path)
