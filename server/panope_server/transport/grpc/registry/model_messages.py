"""Models, instances and devices as messages of the public protocol."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from panope.v1 import model_pb2 as pb
from panope.v1 import registry_service_pb2
from panope_backends.api import Device, GenerationStatistics
from panope_server.runtime.hardware.usage.device_usage import DeviceUsage
from panope_server.runtime.instances.role import Role
from panope_server.runtime.status import (
    BreakerState,
    BreakerView,
    InstanceState,
    InstanceView,
    ModelState,
    ModelView,
    ProfileView,
    VariantView,
)
from panope_server.tasks.generate.types import GenerateSpec
from panope_server.transport.grpc.tensors import spec_messages
from panope_server.transport.keep_alive import told_keep_alive

_MODEL_STATES = {
    ModelState.UNLOADED: pb.Model.STATE_UNLOADED,
    ModelState.LOADING: pb.Model.STATE_LOADING,
    ModelState.SERVING: pb.Model.STATE_SERVING,
    ModelState.UNLOADING: pb.Model.STATE_UNLOADING,
    ModelState.FAILED: pb.Model.STATE_FAILED,
}
_BREAKER_STATES = {
    BreakerState.CLOSED: pb.Breaker.STATE_CLOSED,
    BreakerState.OPEN: pb.Breaker.STATE_OPEN,
    BreakerState.HALF_OPEN: pb.Breaker.STATE_HALF_OPEN,
}
_INSTANCE_ROLES = {
    Role.ANY: pb.Instance.ROLE_ANY,
    Role.BACKGROUND: pb.Instance.ROLE_BACKGROUND,
    Role.HIGH_PRIORITY: pb.Instance.ROLE_HIGH_PRIORITY,
}
_INSTANCE_STATES = {
    InstanceState.STARTING: pb.Instance.STATE_STARTING,
    InstanceState.READY: pb.Instance.STATE_READY,
    InstanceState.UNRESPONSIVE: pb.Instance.STATE_UNRESPONSIVE,
    InstanceState.BACKING_OFF: pb.Instance.STATE_BACKING_OFF,
    InstanceState.DRAINING: pb.Instance.STATE_DRAINING,
}


def model_message(view: ModelView) -> pb.Model:
    """A model."""
    message = pb.Model(
        name=view.name,
        task=view.task,
        architecture=view.architecture,
        state=_MODEL_STATES[view.state],
        state_reason=view.state_reason,
        variants=[_variant_message(variant) for variant in view.variants],
        instances=[_instance_message(instance) for instance in view.instances],
        create_time=timestamp(view.created_at),
        inputs=spec_messages(view.inputs),
        outputs=spec_messages(view.outputs),
        source=view.source,
        commit=view.commit,
        revision=view.revision,
        preferred_format=view.preferred_format,
        preferred_precision=view.preferred_precision,
        quantization_targets=view.quantization_targets,
        task_candidates=view.task_candidates,
        reasons=view.reasons,
        alias_of=view.alias_of,
        breaker=_breaker_message(view.breaker),
        active_calls=view.activity.active_calls,
        queued_items=view.activity.queued_items,
        in_flight_items=view.activity.in_flight_items,
        work_per_second=view.activity.work_per_second,
        memory_bytes=view.activity.memory_bytes,
        keep_alive_seconds=told_keep_alive(view.activity.keep_alive_seconds),
        default_keep_alive_seconds=told_keep_alive(view.default_keep_alive_seconds),
        unload_time=None if view.activity.unload_at is None else timestamp(view.activity.unload_at),
    )
    if view.embed is not None:
        message.embed.dimensions = view.embed.dimensions
        message.embed.max_tokens = view.embed.max_tokens
        message.embed.prompt_names.extend(view.embed.prompt_names)
        message.embed.pooling = view.embed.pooling
        message.embed.normalize = view.embed.normalize
        message.embed.batching = view.embed.batching
        message.embed.inputs.extend(view.embed.inputs)
        message.embed.image_poolings.extend(view.embed.image_poolings)
    if (spec := view.classify) is not None:
        message.classify.labels.extend(spec.labels)
        message.classify.max_tokens = spec.max_tokens
        message.classify.function = spec.function
        message.classify.entailment_label = spec.entailment_label
        message.classify.batching = spec.batching
    if (text := view.text) is not None:
        message.text.max_tokens, message.text.mask_token = text.max_tokens, text.mask_token
        message.text.batching = text.batching
    if view.diffusion is not None:
        message.diffusion.CopyFrom(pb.DiffusionSpec(**asdict(view.diffusion)))
    if view.generate is not None:
        message.generate.CopyFrom(_generate_message(view.generate))
    return message


def _generate_message(spec: GenerateSpec) -> pb.GenerateSpec:
    return pb.GenerateSpec(
        max_positions=spec.max_positions,
        vocab_size=spec.vocab_size,
        slots=spec.slots,
        has_chat_template=spec.has_chat_template,
        has_tools=spec.has_tools,
        has_reasoning=spec.has_reasoning,
        template_kwargs=spec.template_kwargs,
        honoured_fields=sorted(spec.honoured),
        defaults_json=spec.defaults.decode(),
        eos_token_ids=spec.eos_token_ids,
        cache_precision=spec.cache_precision,
        cache_tokens=spec.cache_tokens,
        max_source_length=spec.max_source_length,
        languages=spec.languages,
        ignored_defaults=spec.ignored_defaults,
    )


def _variant_message(view: VariantView) -> pb.Variant:
    pin = view.pin
    return pb.Variant(
        digest=view.digest,
        format=view.format,
        precision=view.precision,
        size_bytes=view.size_bytes,
        is_local=view.is_local,
        missing_bytes=view.missing_bytes,
        memory_bytes=view.memory_bytes,
        parameter_count=view.parameter_count,
        derived_from=view.derived_from or "",
        engine_version=view.engine_version,
        base_models=view.base_models,
        pin=None
        if pin is None
        else pb.Pin(principal=pin.principal, reason=pin.reason, create_time=timestamp(pin.created_at)),
        profiles=[_profile_message(profile) for profile in view.profiles],
    )


def _profile_message(view: ProfileView) -> pb.Profile:
    return pb.Profile(
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
        measure_time=timestamp(view.measured_at),
    )


def _instance_message(view: InstanceView) -> pb.Instance:
    return pb.Instance(
        id=view.id,
        variant_digest=view.variant_digest,
        backend=view.backend,
        device=view.device,
        precision=view.precision,
        state=_INSTANCE_STATES[view.state],
        pid=view.pid,
        resident_bytes=view.resident_bytes,
        restart_count=view.restart_count,
        selection_reason=view.selection_reason,
        ready_time=None if view.ready_at is None else timestamp(view.ready_at),
        format=view.format,
        weights_precision=view.weights_precision,
        generation=None if view.generation is None else _generation_message(view.generation),
        breaker=_breaker_message(view.breaker),
        in_flight_items=view.in_flight_items,
        role=_INSTANCE_ROLES[Role(view.role)],
        device_memory_bytes=view.device_memory_bytes,
        devices=view.all_devices,
    )


def _breaker_message(view: BreakerView) -> pb.Breaker:
    return pb.Breaker(
        state=_BREAKER_STATES[view.state], retry_after_seconds=view.retry_after_seconds, reason=view.reason
    )


def _generation_message(told: GenerationStatistics) -> pb.GenerationStatistics:
    return pb.GenerationStatistics(
        running_sequences=told.running,
        waiting_sequences=told.waiting,
        cache_blocks=told.blocks,
        used_cache_blocks=told.blocks_used,
        reusable_cache_blocks=told.blocks_cached,
        steps=told.steps,
        failed_steps=told.failed_steps,
        prompt_tokens=told.prompt_tokens,
        cached_prompt_tokens=told.cached_tokens,
        completion_tokens=told.completion_tokens,
        draft_tokens=told.drafted_tokens,
        accepted_draft_tokens=told.accepted_tokens,
        preemptions=told.preemptions,
    )


def device_message(device: Device, usage: DeviceUsage) -> registry_service_pb2.Device:
    """A device."""
    told = registry_service_pb2.DeviceUsage(
        utilization=usage.utilization,
        memory_used_bytes=usage.memory_used_bytes,
        memory_total_bytes=usage.memory_total_bytes,
        models_memory_bytes=usage.models_memory_bytes,
    )
    return registry_service_pb2.Device(
        backend=device.backend,
        name=device.name,
        description=device.description,
        memory_bytes=device.memory_bytes,
        precisions=device.precisions,
        available=device.available,
        reason=device.reason,
        engine_version=device.engine_version,
        driver_version=device.driver_version,
        advice=device.advice,
        is_emulated=device.is_emulated,
        pci_address=device.pci_address,
        usage=told if usage.is_known else None,
    )


def timestamp(moment: datetime) -> Timestamp:
    """A moment."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
