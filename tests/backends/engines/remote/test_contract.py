"""A model on a server elsewhere keeps the contract of token models; the server repeats its prompts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from panope_backends.api import Backend, LoadOptions, ModelFacts
from panope_backends.engines.remote.backend import RemoteBackend
from panope_backends.testing import TokenModelContract
from panope_backends.testing.echo_upstream import MODEL, EchoUpstream
from panope_backends.upstreams.access import UpstreamAccess
from panope_backends.upstreams.description import FILE, FORMAT, checked_upstream


class _Allowed(RemoteBackend):
    """With the settings that the suite does not know of."""

    def load(self, model, folder, device, options):
        access = UpstreamAccess(allowed_hosts=("127.0.0.1",), max_requests=8)
        settings = LoadOptions(options.precision, backend_settings=access.to_bytes())
        return super().load(model, folder, device, settings)


@pytest.fixture(scope="module")
def upstream() -> Iterator[EchoUpstream]:
    with EchoUpstream() as upstream:
        yield upstream


class TestRemote(TokenModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return _Allowed()

    @pytest.fixture
    def model(self, tmp_path: Path, upstream: EchoUpstream) -> ModelFacts:
        (tmp_path / FILE).write_bytes(checked_upstream(upstream.url, "vllm", MODEL).to_json())
        return ModelFacts("acme/echo", FORMAT, "generate")
