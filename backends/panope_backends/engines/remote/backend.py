"""The backend of servers elsewhere: its one device is whatever runs there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from panope_backends.api import API_VERSION, Backend, Device, Level, LoadedModel, LoadOptions, ModelFacts, Support
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import PreconditionError
from panope_backends.upstreams.access import UpstreamAccess
from panope_backends.upstreams.addresses import place_of
from panope_backends.upstreams.description import FILE, FORMAT, TASKS, Upstream, read_upstream

if TYPE_CHECKING:
    from panope_backends.engines.remote.connection import Connection

DEVICE = "upstream"
"""A server elsewhere has one name for all: which one it is stands in the variant."""

PRECISION = "fp32"
"""What a server elsewhere computes in is not known; this is the type of what it answers."""


class RemoteBackend(Backend):
    """Servers that speak the protocols of OpenAI, vLLM, TGI, TEI and KServe."""

    name = "remote"
    api_version = API_VERSION

    def devices(self) -> Sequence[Device]:
        """One that has no memory of this machine."""
        return (Device(self.name, DEVICE, "a server elsewhere", precisions=(PRECISION,)),)

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for descriptions of such servers."""
        del device
        if model.format != FORMAT:
            return Support(Level.NONE, f"it calls servers elsewhere, and this is `{model.format}`", is_final=True)
        if model.task not in {task for tasks in TASKS.values() for task in tasks}:
            return Support(Level.NONE, f"no server elsewhere is asked for the task `{model.task}`", is_final=True)
        return Support(Level.FULL, "a server elsewhere runs it")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Asks the server whether it has the model.

        Raises:
            PreconditionError: the settings do not let the server be called, or it does not have the model.
            AvailabilityError: it does not answer.
        """
        del model
        if device != DEVICE:
            raise PreconditionError(f"{self.name} has no device `{device}`; it has: {DEVICE}")
        choose_precision(options.precision, (PRECISION,), f"{self.name} on {device}")
        upstream = read_upstream((folder / FILE).read_bytes())
        access = UpstreamAccess.of(options.backend_settings)
        access.require_allowed(place_of(upstream.url))
        from panope_backends.engines.remote.connection import Connection  # it brings the HTTP client

        connection = Connection(upstream, access)
        try:
            return _model(upstream, connection, access)
        except BaseException:  # whatever it was, the thread and the connections go with it
            connection.close()
            raise


def _model(upstream: Upstream, connection: Connection, access: UpstreamAccess) -> LoadedModel:
    if upstream.task == "generate":
        from panope_backends.engines.remote.generation.model import RemoteTokenModel

        return RemoteTokenModel.loaded(upstream, connection, access.max_requests)
    if upstream.task == "embed":
        from panope_backends.engines.remote.embedding.model import RemoteEmbeddingModel

        return RemoteEmbeddingModel.loaded(upstream, connection)
    if upstream.task in ("classify", "rerank"):
        from panope_backends.engines.remote.classification.model import RemoteClassificationModel

        return RemoteClassificationModel.loaded(upstream, connection)
    from panope_backends.engines.remote.tensors.model import KServeModel

    return KServeModel(upstream, connection)
