"""Models, made or converted once for all tests of the engines."""

from pathlib import Path

import pytest

from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.testing.models import tiny_transformer


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    tiny_transformer(folder)
    return folder


@pytest.fixture(scope="session")
def converted_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("converted")
    backend = OpenVinoBackend()
    backend.convert(tiny_transformer(source), backend.conversions()[0], source, out)
    return out
