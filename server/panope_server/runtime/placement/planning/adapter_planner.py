"""Plans adapters (LoRA) whose base model serves here, so that they run in its workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from panope_backends.lora import FOLDER
from panope_registry.models.types import FileEntry
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import Host, LoadPlan
from panope_server.runtime.placement.planning.held_files import HeldFiles
from panope_server.runtime.placement.planning.memory_requests import MemoryRequests

#: An adapter of 16 bits is kept in 32.
_COPIES_OF_ADAPTER = 2

FindHosts = Callable[[str, Sequence[str]], Sequence[Host]]
"""What takes adapters of a model, of those of its variants whose digests are given."""


class AdapterPlanner:
    """Plans adapters beside their base model's weights."""

    def __init__(
        self, registry: Registry, hardware: Hardware, files: HeldFiles, memory: MemoryRequests, find_hosts: FindHosts
    ) -> None:
        self._registry = registry
        self._hardware = hardware
        self._files = files
        self._memory = memory
        self._find_hosts = find_hosts

    async def plan(self, entry: ModelEntry, key: str, constraints: LoadConstraints) -> LoadPlan | None:
        """The plan of an adapter whose base serves here and takes it beside its weights; None for any other model."""
        for variant in entry.variants:
            if not (variant.base_models and variant.is_local and variant.digest.startswith(constraints.variant)):
                continue
            base = await call_registry(self._registry.model, variant.base_models[0])
            same = [each.digest for each in base.variants if _weights_of(each) == _weights_of(variant)]
            for host in self._find_hosts(base.name, same):
                if constraints.backend in ("", host.plan.backend) and constraints.precision in ("", host.precision):
                    return await self._plan_in(entry, variant, key, host)
        return None

    async def _plan_in(self, entry: ModelEntry, variant: VariantEntry, key: str, host: Host) -> LoadPlan:
        devices = (await self._hardware.probe()).devices
        place = host.plan.backend, host.plan.device
        device = next((each for each in devices if (each.backend, each.name) == place), None)
        # Each of the base's workers may get it.
        copies = _COPIES_OF_ADAPTER * host.plan.instances
        need = copies * sum(file.size_bytes for file in variant.files if _is_of_adapter(file))
        folder = await self._files.folder(key, variant.digest)
        memory = None if device is None else await self._memory.beside(host.key, key, device, need)
        return replace(
            host.plan,
            model=key,
            task=entry.task,
            variant_digest=variant.digest,
            folder=folder,
            precision=host.precision,
            reason=f"it runs in the worker of its base model `{host.key}`, whose weights it shares",
            host=host.key,
            host_variant=host.plan.variant_digest,
            need_bytes=need,
            memory=memory,
        )


def _weights_of(variant: VariantEntry) -> set[tuple[str, str]]:
    """What tells whether two variants have the same weights, an adapter's own left out."""
    weights = (file for file in variant.files if file.path.endswith(".safetensors") and not _is_of_adapter(file))
    return {(file.path, file.sha256) for file in weights}


def _is_of_adapter(file: FileEntry) -> bool:
    return PurePosixPath(file.path).parent.name == FOLDER
