"""Finds where an adapter can run beside other models: in the workers of its base, while that serves."""

from __future__ import annotations

from collections.abc import Collection

from panope_server.runtime.instances.adapter_instance import HostGoneError
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.models.runtimes import ModelRuntimes
from panope_server.runtime.placement.plan import Host, LoadPlan
from panope_server.runtime.status import ModelState


class AdapterHosts:
    """Of one server.

    Args:
        runtimes: what runs here.
    """

    def __init__(self, runtimes: ModelRuntimes) -> None:
        self._runtimes = runtimes

    def find(self, base: str, digests: Collection[str]) -> list[Host]:
        """What takes adapters of a base model: each of its variants that runs, of those given.

        Args:
            base: the model's name.
            digests: of its variants.
        """
        found = ((runtime, _instances(runtime)) for runtime in self._runtimes.of_model(base))
        return [
            Host(runtime.resolved.key, instances[0].plan, instances[0].precision)
            for runtime, instances in found
            if instances and instances[0].plan.variant_digest in digests
        ]

    async def instance(self, place: int, plan: LoadPlan) -> Instance:
        """The instance in which an adapter's plan is to be run, once it serves.

        Args:
            place: of the adapter among its own instances, which are spread over the base's.
            plan: of the adapter.

        Raises:
            HostGoneError: the base does not serve any more, or not as it did when the plan was made.
        """
        runtime = self._runtimes.get(plan.host)
        while runtime is not None and runtime.state is ModelState.LOADING:
            await runtime.state_changed.wait()
        instances = [] if runtime is None or runtime.state is not ModelState.SERVING else _instances(runtime)
        host = instances[place % len(instances)] if instances else None
        if host is None or host.plan.variant_digest != plan.host_variant:
            raise HostGoneError(f"the base model `{plan.host}` is not loaded any more as it was")
        return host

    def guests_of(self, runtimes: Collection[ModelRuntime]) -> list[ModelRuntime]:
        """The adapters that run in the workers of these."""
        hosts = {runtime.resolved.key for runtime in runtimes}
        return [runtime for runtime in self._runtimes.all() if runtime.host in hosts]


def _instances(runtime: ModelRuntime) -> list[Instance]:
    """Those that take adapters; first what runs normal calls, which each adapter needs."""
    taking = [
        instance
        for instance in runtime.pool.instances
        if isinstance(instance, Instance) and instance.ready is not None and instance.ready.max_adapters
    ]
    return sorted(taking, key=lambda instance: not instance.role.takes(0))
