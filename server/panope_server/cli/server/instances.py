"""Instances and what they do, for programs and for people."""

from __future__ import annotations

import time
from datetime import UTC, timedelta
from typing import Any

from panope_server.cli.output.console import bytes_text


def instance_value(model: str, instance: Any) -> dict[str, Any]:
    """An instance for programs."""
    return {
        "id": instance.id,
        "model": model,
        "backend": instance.backend,
        "variant_digest": instance.variant_digest,
        "format": instance.format,
        "weights_precision": instance.weights_precision,
        "device": instance.device,
        "devices": list(instance.devices),
        "precision": instance.precision,
        "state": state_text(instance),
        "role": role_text(instance),
        "pid": instance.pid,
        "resident_bytes": instance.resident_bytes,
        "device_memory_bytes": instance.device_memory_bytes,
        "restart_count": instance.restart_count,
        "selection_reason": instance.selection_reason,
        "generation": _generation(instance),
        "breaker": _breaker(instance),
        "in_flight_items": instance.in_flight_items,
    }


def where_text(instance: Any) -> str:
    """What it runs on, for people."""
    return f"{instance.backend} {' '.join(instance.devices) or instance.device} {instance.precision}"


def value_without_instance(model: Any) -> dict[str, Any]:
    """A model that loads or failed; what only an instance has is empty."""
    empty = dict.fromkeys(
        ("id", "backend", "variant_digest", "format", "weights_precision", "device", "precision", "role"), ""
    )
    counts = dict.fromkeys(("pid", "resident_bytes", "device_memory_bytes", "restart_count"), 0)
    told = {"state": state_text(model), "state_reason": model.state_reason, "devices": []}
    more = {"selection_reason": "", "generation": None, "breaker": _breaker(model), "in_flight_items": 0}
    return {**empty, "model": model.name, **told, **counts, **more, **activity_value(model)}


def _breaker(told: Any) -> dict[str, Any]:
    """Of an instance or a model."""
    breaker = told.breaker
    return {
        "state": state_text(breaker).replace(" ", "_"),
        "retry_after_seconds": breaker.retry_after_seconds,
        "reason": breaker.reason,
    }


def breaker_text(told: Any) -> str:
    """The same for people; of one that is open for how long."""
    breaker = told.breaker
    seconds = breaker.retry_after_seconds
    return f"{state_text(breaker)} {seconds:.0f} s" if seconds else state_text(breaker)


def activity_value(model: Any) -> dict[str, Any]:
    """What the model of an instance does, and how long it stays."""
    return {
        "queued_items": model.queued_items,
        "work_per_second": model.work_per_second,
        "model_memory_bytes": model.memory_bytes,
        "keep_alive_seconds": model.keep_alive_seconds if model.HasField("keep_alive_seconds") else None,
        "unload_at": model.unload_time.ToJsonString() if model.HasField("unload_time") else None,
    }


def memory_text(instance: Any) -> str:
    """What a worker holds of the machine's memory, and of its device's own."""
    of_device = f" + {bytes_text(instance.device_memory_bytes)}" if instance.device_memory_bytes else ""
    return f"{bytes_text(instance.resident_bytes)}{of_device}"


def queue_text(model: Any, instance: Any) -> str:
    """What an instance has, and what waits for any of its model."""
    waiting = f" + {model.queued_items:,} waiting" if model.queued_items else ""
    return f"{instance.in_flight_items:,}{waiting}"


def until_text(model: Any) -> str:
    """When the model is unloaded if nobody uses it."""
    if not model.HasField("keep_alive_seconds"):
        return "room is needed"
    if model.keep_alive_seconds < 0:
        return "for ever"
    if model.HasField("unload_time"):
        left = max(0.0, model.unload_time.ToDatetime(UTC).timestamp() - time.time())
        return f"in {timedelta(seconds=round(left))}"
    return f"{timedelta(seconds=round(model.keep_alive_seconds))} unused"


def _generation(instance: Any) -> dict[str, int] | None:
    """What an instance that generates has told of itself."""
    if not instance.HasField("generation"):
        return None
    told = instance.generation
    return {field.name: getattr(told, field.name) for field in told.DESCRIPTOR.fields}


def generation_text(instance: Any) -> str:
    """The same for people: what runs, what waits, how full the cache is."""
    if not instance.HasField("generation"):
        return "-"
    told = instance.generation
    text = f"{told.running_sequences} running, {told.waiting_sequences} waiting"
    if told.cache_blocks:
        text += f", cache {told.used_cache_blocks / told.cache_blocks:.0%}"
    return text


def role_text(instance: Any) -> str:
    """Which calls it runs."""
    name: str = type(instance).Role.Name(instance.role)
    return name.removeprefix("ROLE_").lower()


def state_text(told: Any) -> str:
    """Of an instance or a model."""
    name: str = type(told).State.Name(told.state)
    return name.removeprefix("STATE_").lower().replace("_", " ")
