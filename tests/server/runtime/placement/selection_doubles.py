"""Machines, variants and measurements that a placement is chosen from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_registry.models.types import ModelEntry, VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.selection.machine import Machine, device_title
from panope_server.runtime.placement.selection.selection import Selection, select_candidates

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
GB = 10**9
WORKLOAD = "embed-22-words-batch-32"

TO_OPENVINO = Conversion(("safetensors",), "openvino", "fp32", "2026.4+1", automatic=True)
TO_INT8 = Conversion(("safetensors", "openvino"), "openvino", "int8", "2026.4+1")
CPU = Device("cpu", "CPU", "A processor", 64 * GB, ("fp32", "bf16"), engine_version="torch 2.13")
OPENVINO = Device("openvino", "CPU", "A processor", 64 * GB, ("bf16", "fp32"), engine_version="2026.4")
CUDA = Device("torch-cuda", "cuda:0", "A card", 24 * GB, ("bf16", "fp16", "fp32"), engine_version="torch 2.13")

RUNS = {"cpu": ("safetensors", "onnx"), "openvino": ("openvino",), "torch-cuda": ("safetensors",)}


def variant(name: str, form: str, precision: str, memory: int = GB, **more: Any) -> VariantEntry:
    """A variant; its digest begins with its name, written in hexadecimal digits."""
    values: dict[str, Any] = {"derived_from": None, "engine_version": "", "memory_bytes": memory} | more
    digest = (name.encode().hex() + "0" * 64)[:64]
    return VariantEntry(digest, form, precision, memory, 0, files=(), **values)


SAFE = variant("safe", "safetensors", "fp32")
ONNX = variant("onnx", "onnx", "fp32")
MADE = variant("made", "openvino", "fp32", derived_from=SAFE.digest, engine_version="2026.4+1")
INT8 = variant("int8", "openvino", "int8", GB // 4, derived_from=SAFE.digest, engine_version="2026.4+1")


def entry_of(*variants: VariantEntry, **more: Any) -> ModelEntry:
    """A model with these variants."""
    return ModelEntry("v/m", "embed", "BertModel", MOMENT, {}, variants, {}, **more)


@dataclass
class Here:
    """A machine; `free` is what is left on each device, by backend, `free_on` by name."""

    devices: Sequence[Device] = (CPU, OPENVINO)
    free: Mapping[str, int | None] = field(default_factory=dict)
    partial: Sequence[str] = ()
    free_on: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""
    asked: list[ModelFacts] = field(default_factory=list)
    busy: Callable[[Device], float] = lambda _: 0.0

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        self.asked.append(facts)
        return {(device.backend, device.name): self._support(device, facts) for device in self.devices}

    def _support(self, device: Device, facts: ModelFacts) -> Support:
        if self.unknown:
            return Support(Level.NONE, self.unknown, is_final=True)
        if facts.format not in RUNS[device.backend]:
            return Support(Level.NONE, f"{device.backend} runs no {facts.format}")
        level = Level.PARTIAL if device.backend in self.partial else Level.FULL
        return Support(level, f"{device.backend} runs {facts.format}")

    def choose(
        self,
        variants: Sequence[VariantEntry],
        constraints: LoadConstraints | None = None,
        profiles: Sequence[Profile] = (),
        *,
        instances: int = 1,
        **entry: Any,
    ) -> Selection:
        model = entry_of(*variants, **entry)
        conversions = {"openvino": (TO_OPENVINO, TO_INT8)}
        machine = Machine(
            Probe(tuple(self.devices), conversions),
            self.supports,
            lambda device: self.free_on.get(device.name, self.free.get(device.backend)),
            busy=self.busy,
        )

        def facts(of: VariantEntry) -> ModelFacts:
            return ModelFacts("v/m", of.format, "embed", "BertModel", {}, has_adapter=bool(of.base_models))

        return asyncio.run(
            select_candidates(model, facts, machine, constraints or LoadConstraints(), profiles, instances)
        )


def labels(selection: Selection) -> list[str]:
    return [candidate.label for candidate in selection.candidates]


def measured(of: VariantEntry, device: Device, speed: float, **more: Any) -> Profile:
    values: dict[str, Any] = {"precision": "fp32", "engine_version": device.engine_version, "workload": WORKLOAD}
    values |= {"memory_bytes": 0, "latency_p50_seconds": 0.1} | more
    return Profile(
        variant_digest=of.digest,
        backend=device.backend,
        device=device_title(device),
        items_per_second=speed,
        latency_p99_seconds=0.2,
        load_seconds=1.0,
        measured_at=MOMENT,
        **values,
    )
