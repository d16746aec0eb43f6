"""Serves what changes the registry: registering, updating, pulling, building, pinning and deleting."""

from __future__ import annotations

import grpc
import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import registry_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPath, ModelPathWithBody
from panope_backends.errors import Field, InvalidInputError
from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest
from panope_registry.names import parse_model_name
from panope_server.access.principal import recorded_name
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Acquisition, ModelAdmin
from panope_server.transport.job_json import job_json
from panope_server.transport.keep_alive import keep_alive_from, recorded_keep_alive
from panope_server.transport.rest.json.query import query_of
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.responses import accepted_response, json_response
from panope_server.transport.rest.panope.model_schemas import model_info
from panope_server.transport.rest.panope.registry_schemas import (
    AcceptedJson,
    BuildBody,
    FileJson,
    FilesJson,
    PinBody,
    PullBody,
    RegisterBody,
    RemovedJson,
    UpdateBody,
)
from panope_server.transport.services import Services

INTERFACE = "rest"
"""Recorded as who asked when the caller is anonymous."""


_BUILD = RequestBody(BuildBody)
_PIN = RequestBody(PinBody)
_UPDATE = RequestBody(UpdateBody)
_REGISTER = RequestBody(RegisterBody)
_PULL = RequestBody(PullBody)


class RegistryRestServicer(pb_grpc.RegistryServiceServicer):
    """Serves panope.rest.v1.RegistryService."""

    def __init__(self, acquisition: Acquisition, model_admin: ModelAdmin) -> None:
        self._acquisition = acquisition
        self._model_admin = model_admin

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.acquisition, services.model_admin)
        pb_grpc.add_RegistryServiceServicer_to_server(servicer, server)

    async def RegisterModel(self, request: HttpBody, context: Context) -> HttpBody:
        """Asks for a look at a model's repo."""
        query_of(context)
        job = await self._acquisition.register(_sync_request(_REGISTER.read(request)), recorded_name(INTERFACE))
        return accepted_response(AcceptedJson(job=job_json(job)), context)

    async def PullModel(self, request: HttpBody, context: Context) -> HttpBody:
        """Asks for a model's files."""
        query_of(context)
        body = _PULL.read(request)
        download = DownloadRequest(body.model, body.revision, body.format, body.precision, tuple(body.include))
        return accepted_response(
            AcceptedJson(job=job_json(await self._acquisition.pull(download, recorded_name(INTERFACE)))), context
        )

    async def BuildVariant(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Asks for another variant of a model."""
        query_of(context)
        body = _BUILD.read(request.body)
        build = BuildRequest(request.model, body.format, body.precision, body.revision)
        return accepted_response(
            AcceptedJson(job=job_json(await self._acquisition.build(build, recorded_name(INTERFACE)))), context
        )

    async def UpdateModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Changes what a model's record says."""
        query_of(context)
        keep_alive = keep_alive_from(_UPDATE.read(request.body).keep_alive, "keep_alive")
        return json_response(model_info(await self._model_admin.update(request.model, keep_alive=keep_alive)))

    async def PinModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Keeps a model's files."""
        query_of(context)
        body = _PIN.read(request.body)
        return json_response(
            model_info(
                await self._model_admin.pin(
                    request.model, body.variant, principal=recorded_name(INTERFACE), reason=body.reason
                )
            )
        )

    async def UnpinModel(self, request: ModelPath, context: Context) -> HttpBody:
        """Lets a model's files go again."""
        query = query_of(context, ("variant",))
        return json_response(model_info(await self._model_admin.unpin(request.model, query.get("variant", ""))))

    async def DeleteModel(self, request: ModelPath, context: Context) -> HttpBody:
        """Deletes a model."""
        query_of(context)
        removed = await self._model_admin.delete(request.model)
        return json_response(
            RemovedJson(
                id=request.model,
                object="model",
                deleted=True,
                variant_digests=list(removed.variants),
                freed_bytes=removed.freed_bytes,
            )
        )

    async def ListModelFiles(self, request: ModelPath, context: Context) -> HttpBody:
        """Lists a model's files."""
        query_of(context)
        files: list[FileJson] = [
            {
                "path": file.path,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256 or None,
                "kind": file.kind,
                "is_local": file.is_local,
            }
            for file in await self._acquisition.files(request.model)
        ]
        return json_response(FilesJson(model=request.model, files=files))


def _sync_request(body: RegisterBody) -> SyncRequest:
    return SyncRequest(
        model=_model_of(body),
        revision=body.source.revision if body.source else "main",
        task_hints=tuple(body.task_hints),
        preferred_format=body.preferred_format,
        preferred_precision=body.preferred_precision,
        quantization_targets=tuple(body.quantization_targets),
        upstream={} if body.upstream is None else msgspec.to_builtins(body.upstream),
        base_model=body.base_model,
        keep_alive_seconds=recorded_keep_alive(body.keep_alive, "keep_alive"),
    )


def _model_of(body: RegisterBody) -> str:
    """The model's name: that of its repo."""
    if body.upstream is not None and body.source is not None:
        raise InvalidInputError.at("source", "{field} and {other} exclude each other", other=Field("upstream"))
    if (body.model_vendor is None) != (body.model_name is None):
        missing = "model_vendor" if body.model_vendor is None else "model_name"
        raise InvalidInputError(f"`{missing}` is missing", field=missing, reason="missing_field")
    named = f"{body.model_vendor}/{body.model_name}" if body.model_vendor is not None else ""
    repo_id = body.source.repo_id if body.source else ""
    if not named and not repo_id:
        raise InvalidInputError(
            "the body names no model: send `source.repo_id`", field="source", reason="missing_field"
        )
    if named and repo_id and named != repo_id:
        raise InvalidInputError(
            "a model has the name of its repo: `source.repo_id` must be `model_vendor`/`model_name`",
            field="source.repo_id",
        )
    parse_model_name(named or repo_id, "source.repo_id" if repo_id else "model_name")
    return named or repo_id
