"""Routes that manage models, jobs, usage and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from generator.operations.operation import Limit, Operation, Text
from panope_server.transport.job_json import JobJson, JobsJson, JobStatusJson
from panope_server.transport.rest.panope import (
    alias_schemas,
    catalogue_schemas,
    model_schemas,
    registry_schemas,
    route_schemas,
)
from panope_server.transport.rest.panope.usage_servicer import MAX_OFFSET
from panope_server.transport.usage_json import UsageSumsJson

METHODS: Mapping[str, Operation] = {
    "PanopeService.GetModelInfo": Operation(model_schemas.ModelInfoJson),
    "PanopeService.LoadModel": Operation(model_schemas.ModelInfoJson, model_schemas.LoadBody),
    "PanopeService.UnloadModel": Operation(model_schemas.ModelInfoJson, model_schemas.UnloadBody),
    "PanopeService.ListDevices": Operation(model_schemas.DevicesJson),
    "PanopeService.GetCatalogue": Operation(catalogue_schemas.CatalogueJson, query={"task": str, "backend": str}),
    "RegistryService.RegisterModel": Operation(
        registry_schemas.AcceptedJson, registry_schemas.RegisterBody, status=202
    ),
    "RegistryService.PullModel": Operation(registry_schemas.AcceptedJson, registry_schemas.PullBody, status=202),
    "RegistryService.BuildVariant": Operation(registry_schemas.AcceptedJson, registry_schemas.BuildBody, status=202),
    "RegistryService.UpdateModel": Operation(model_schemas.ModelInfoJson, registry_schemas.UpdateBody),
    "RegistryService.PinModel": Operation(model_schemas.ModelInfoJson, registry_schemas.PinBody),
    "RegistryService.UnpinModel": Operation(model_schemas.ModelInfoJson, query={"variant": str}),
    "RegistryService.DeleteModel": Operation(registry_schemas.RemovedJson),
    "RegistryService.ListModelFiles": Operation(registry_schemas.FilesJson),
    "JobService.ListJobs": Operation(
        JobsJson,
        query={"status": JobStatusJson, "kind": str, "limit": Limit, "after": Annotated[int, Meta(ge=0, le=1 << 53)]},
    ),
    "JobService.GetJob": Operation(JobJson),
    "JobService.CancelJob": Operation(JobJson, empty=True),
    "JobService.RetryJob": Operation(JobJson, empty=True),
    "GenerationJobService.DeleteJobFiles": Operation(JobJson, expires=True),
    "JobService.WatchJob": Operation(media="text/event-stream"),
    "UsageService.ListUsage": Operation(
        UsageSumsJson,
        query={
            **dict.fromkeys(("since", "until", "by", "key", "model", "task"), Text),
            "limit": Limit,
            "after": Annotated[int, Meta(ge=0, le=MAX_OFFSET)],
        },
    ),
    "AliasService.ListAliases": Operation(alias_schemas.AliasesJson, query={"model": str}),
    "AliasService.GetAlias": Operation(alias_schemas.AliasHistoryJson),
    "AliasService.SetAlias": Operation(alias_schemas.AliasJson, alias_schemas.SetBody, changes=True),
    "AliasService.RollbackAlias": Operation(alias_schemas.AliasJson, alias_schemas.RollbackBody, changes=True),
    "AliasService.ExplainRoute": Operation(route_schemas.ExplanationJson, route_schemas.ExplainBody),
    "AliasService.ReportReward": Operation(route_schemas.RewardJson, route_schemas.RewardBody, changes=True),
    "AliasService.DeleteAlias": Operation(
        alias_schemas.ForgottenAliasJson,
        query={"expected": str, "reason": Annotated[str, Meta(max_length=1000)]},
        changes=True,
    ),
}
