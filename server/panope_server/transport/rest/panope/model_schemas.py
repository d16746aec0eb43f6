"""Models and devices in JSON: what callers may rely on, whatever they are called inside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_backends.api import Device
from panope_server.config.sections.models import KeepAlive
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.status import (
    ActivityView,
    ModelState,
    ModelView,
    PinView,
    ProfileView,
    VariantView,
)
from panope_server.transport.keep_alive import told_keep_alive
from panope_server.transport.rest.panope.instance_schemas import (
    BreakerJson,
    InstanceJson,
    breaker_json,
    instance_json,
)
from panope_server.transport.rest.panope.spec_schemas import (
    ClassifySpecJson,
    DiffusionSpecJson,
    EmbedSpecJson,
    GenerateSpecJson,
    TensorSpecJson,
    TextSpecJson,
    classify_spec,
    diffusion_spec,
    embed_spec,
    generate_spec,
    tensor_specs,
    text_spec,
)

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_NameOrNone = Annotated[str, Meta(max_length=256)]

ModelStateJson = Literal["unloaded", "loading", "serving", "unloading", "failed"]

_MODEL_STATES: dict[ModelState, ModelStateJson] = {
    ModelState.UNLOADED: "unloaded",
    ModelState.LOADING: "loading",
    ModelState.SERVING: "serving",
    ModelState.UNLOADING: "unloading",
    ModelState.FAILED: "failed",
}


class LoadBody(Struct, forbid_unknown_fields=True):
    """POST /models/load; an absent backend, precision or variant lets Panope choose.

    Attributes:
        instances: that are to run; 0 for as many as the settings say.
        preferred_backends: that should run it rather than others, the most wanted first; not with `backend`.
        keep_alive: how long the model stays loaded unused; a negative time is for ever, 0 until its next call ends.
        tensor_parallel: devices that each instance is divided over, 1 for a whole model; 0 for as many as the settings
            say, or else as hold it.
    """

    model: _Name
    backend: _NameOrNone = ""
    precision: _NameOrNone = ""
    variant: _NameOrNone = ""
    instances: Annotated[int, Meta(ge=0, le=64)] = 0
    preferred_backends: Annotated[list[_Name], Meta(max_length=16)] = []
    keep_alive: KeepAlive = ""
    tensor_parallel: Annotated[int, Meta(ge=0, le=64)] = 0


class UnloadBody(Struct, forbid_unknown_fields=True):
    """POST /models/unload."""

    model: _Name


class PinJson(Struct):
    """That a variant's files are kept.

    Attributes:
        principal: who pinned them.
        created_at: when, in RFC 3339 as all times are.
    """

    principal: str
    reason: str
    created_at: datetime


class ProfileJson(Struct):
    """What a variant was measured to do."""

    backend: str
    engine_version: str
    device: str
    precision: str
    workload: str
    items_per_second: float
    latency_p50_seconds: float
    latency_p99_seconds: float
    memory_bytes: int
    load_seconds: float
    measured_at: datetime


class VariantJson(Struct):
    """A runnable form of a model."""

    digest: str
    format: str
    precision: str
    size_bytes: int
    is_local: bool
    missing_bytes: int
    memory_bytes: int
    parameter_count: int
    derived_from: str | None
    engine_version: str
    base_models: list[str]
    pin: PinJson | None
    profiles: list[ProfileJson]


class ActivityJson(Struct):
    """What a model does now, and how long it stays loaded.

    Attributes:
        active_calls: that use it, or wait for it to be loaded.
        queued_items: that wait in its queue.
        in_flight_items: that its instances have.
        work_per_second: units of work, such as tokens, that it answers while it is busy, lately; 0 until measured.
        memory_bytes: that is reserved for all its instances: as estimated, then as measured.
        keep_alive_seconds: for which it stays loaded when nobody uses it; negative for ever, null for as long as its
            memory is not needed.
        unload_at: when it is unloaded if nobody uses it; null while it is in use, and where it has no such time.
    """

    active_calls: int
    queued_items: int
    in_flight_items: int
    work_per_second: float
    memory_bytes: int
    keep_alive_seconds: float | None
    unload_at: datetime | None


class ModelInfoJson(Struct):
    """A model with its variants and instances, by its own name or by that of an alias.

    Attributes:
        embed: null for models of other tasks, and until the model was loaded.
        generate: null for models of other tasks, and until the model was loaded.
        classify: null for models without labels, and until the model was loaded.
        text: null for models that neither answer questions nor fill masks, and until the model was loaded.
        diffusion: null for models that draw nothing, and until the model was loaded.
        alias_of: what the alias points to, a model's name or `model@digits` of a variant; empty for a model itself.
        default_keep_alive_seconds: for which its record says that it stays loaded unused; negative for ever, null
            leaves it to the settings.
    """

    name: str
    task: str
    architecture: str
    state: ModelStateJson
    state_reason: str
    created_at: datetime
    variants: list[VariantJson]
    instances: list[InstanceJson]
    embed: EmbedSpecJson | None
    generate: GenerateSpecJson | None
    classify: ClassifySpecJson | None
    text: TextSpecJson | None
    diffusion: DiffusionSpecJson | None
    inputs: list[TensorSpecJson]
    outputs: list[TensorSpecJson]
    source: str
    commit: str
    revision: str
    preferred_format: str
    preferred_precision: str
    quantization_targets: list[str]
    task_candidates: list[str]
    reasons: dict[str, str]
    alias_of: str
    breaker: BreakerJson
    activity: ActivityJson
    default_keep_alive_seconds: float | None


class DeviceUsageJson(Struct):
    """What a device does at this moment, whoever uses it; null for what nobody tells.

    Attributes:
        utilization: the part of its time in which it computes, from 0 to 1.
        memory_used_bytes: that is in use.
        memory_total_bytes: in use or not.
        models_memory_bytes: of it, held by models that this server runs there, as their workers measured.
    """

    utilization: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    models_memory_bytes: int | None = None


class DeviceJson(Struct):
    """A device as one backend sees it.

    Attributes:
        engine_version: of the libraries that compute there.
        driver_version: of the device's driver; empty where there is none, or nobody tells.
        advice: what to install or to change so that the device becomes available.
        is_emulated: whether a program stands in for the hardware: right answers, at a speed that tells nothing.
        pci_address: by which the system knows the hardware; empty for processors, or where nobody tells.
        usage: what it does at this moment; null where nobody tells.
    """

    backend: str
    name: str
    description: str
    memory_bytes: int
    precisions: list[str]
    available: bool
    reason: str
    engine_version: str
    driver_version: str
    advice: str
    is_emulated: bool
    pci_address: str
    usage: DeviceUsageJson | None


class DevicesJson(Struct):
    """Devices, preferred ones first."""

    devices: list[DeviceJson]


def model_info(view: ModelView) -> ModelInfoJson:
    """A model."""
    return ModelInfoJson(
        name=view.name,
        task=view.task,
        architecture=view.architecture,
        state=_MODEL_STATES[view.state],
        state_reason=view.state_reason,
        created_at=view.created_at,
        variants=[_variant(variant) for variant in view.variants],
        instances=[instance_json(instance) for instance in view.instances],
        embed=None if view.embed is None else embed_spec(view.embed),
        generate=None if view.generate is None else generate_spec(view.generate),
        classify=None if view.classify is None else classify_spec(view.classify),
        text=None if view.text is None else text_spec(view.text),
        diffusion=None if view.diffusion is None else diffusion_spec(view.diffusion),
        inputs=tensor_specs(view.inputs),
        outputs=tensor_specs(view.outputs),
        source=view.source,
        commit=view.commit,
        revision=view.revision,
        preferred_format=view.preferred_format,
        preferred_precision=view.preferred_precision,
        quantization_targets=list(view.quantization_targets),
        task_candidates=list(view.task_candidates),
        reasons=dict(view.reasons),
        alias_of=view.alias_of,
        breaker=breaker_json(view.breaker),
        activity=_activity(view.activity),
        default_keep_alive_seconds=told_keep_alive(view.default_keep_alive_seconds),
    )


def device_json(device: Device, usage: DeviceUsage) -> DeviceJson:
    """A device."""
    busy = None if usage.utilization is None else round(usage.utilization, 3)
    told = DeviceUsageJson(busy, usage.memory_used_bytes, usage.memory_total_bytes, usage.models_memory_bytes)
    return DeviceJson(
        backend=device.backend,
        name=device.name,
        description=device.description,
        memory_bytes=device.memory_bytes,
        precisions=list(device.precisions),
        available=device.available,
        reason=device.reason,
        engine_version=device.engine_version,
        driver_version=device.driver_version,
        advice=device.advice,
        is_emulated=device.is_emulated,
        pci_address=device.pci_address,
        usage=told if usage.is_known else None,
    )


def _activity(view: ActivityView) -> ActivityJson:
    return ActivityJson(
        active_calls=view.active_calls,
        queued_items=view.queued_items,
        in_flight_items=view.in_flight_items,
        work_per_second=round(view.work_per_second, 2),
        memory_bytes=view.memory_bytes,
        keep_alive_seconds=told_keep_alive(view.keep_alive_seconds),
        unload_at=view.unload_at,
    )


def _variant(view: VariantView) -> VariantJson:
    return VariantJson(
        digest=view.digest,
        format=view.format,
        precision=view.precision,
        size_bytes=view.size_bytes,
        is_local=view.is_local,
        missing_bytes=view.missing_bytes,
        memory_bytes=view.memory_bytes,
        parameter_count=view.parameter_count,
        derived_from=view.derived_from,
        engine_version=view.engine_version,
        base_models=list(view.base_models),
        pin=None if view.pin is None else _pin(view.pin),
        profiles=[_profile(profile) for profile in view.profiles],
    )


def _pin(view: PinView) -> PinJson:
    return PinJson(principal=view.principal, reason=view.reason, created_at=view.created_at)


def _profile(view: ProfileView) -> ProfileJson:
    return ProfileJson(
        backend=view.backend,
        engine_version=view.engine_version,
        device=view.device,
        precision=view.precision,
        workload=view.workload,
        items_per_second=view.items_per_second,
        latency_p50_seconds=view.latency_p50_seconds,
        latency_p99_seconds=view.latency_p99_seconds,
        memory_bytes=view.memory_bytes,
        load_seconds=view.load_seconds,
        measured_at=view.measured_at,
    )
