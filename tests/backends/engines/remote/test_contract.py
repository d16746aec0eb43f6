"""A model on a server elsewhere keeps the contract of token models; the server repeats its prompts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_doubles import Allowed

from panope_backends.api import Backend, ModelFacts
from panope_backends.testing import TokenModelContract
from panope_backends.testing.echo_upstream import MODEL, EchoUpstream
from panope_backends.upstreams.description import FILE, FORMAT, checked_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[EchoUpstream]:
    with EchoUpstream() as upstream:
        yield upstream


class TestRemote(TokenModelContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return Allowed()

    @pytest.fixture
    def model(self, tmp_path: Path, upstream: EchoUpstream) -> ModelFacts:
        (tmp_path / FILE).write_bytes(checked_upstream(upstream.url, "vllm", MODEL).to_json())
        return ModelFacts("acme/echo", FORMAT, "generate")
