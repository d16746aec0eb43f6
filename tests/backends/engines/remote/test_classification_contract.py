"""Models that classify and rerank on a server elsewhere keep the contract of their kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from remote_doubles import Allowed
from tei_double import TeiDouble

from panope_backends.api import Backend, ModelFacts
from panope_backends.testing import ClassificationModelContract
from panope_backends.upstreams.description import FILE, FORMAT, checked_upstream


class _RemoteContract(ClassificationModelContract):
    __test__ = False
    task: ClassVar[str]
    server: ClassVar[str]

    @pytest.fixture
    def upstream(self) -> Iterator[TeiDouble]:
        with TeiDouble(self.server) as upstream:
            yield upstream

    @pytest.fixture
    def backend(self) -> Backend:
        return Allowed()

    @pytest.fixture
    def model(self, tmp_path: Path, upstream: TeiDouble) -> ModelFacts:
        (tmp_path / FILE).write_bytes(checked_upstream(upstream.url, "tei", "", self.task).to_json())
        return ModelFacts("acme/far", FORMAT, self.task)


class TestRemoteClassifier(_RemoteContract):
    __test__ = True
    task, server = "classify", "classifier"


class TestRemoteReranker(_RemoteContract):
    __test__ = True
    task, server = "rerank", "reranker"
