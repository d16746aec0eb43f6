"""A hub that stands in, and a source that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panope_registry.models.types import MissingFile
from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.sources.source import RemoteRevision
from panope_registry.store.store import Blob, Store
from panope_registry.testing import HubStandIn


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn(token="hf_secret") as hub:
        yield hub


@pytest.fixture
def source(hub: HubStandIn) -> Iterator[HubSource]:
    source = HubSource(hub.endpoint)
    yield source
    source.close()


@pytest.fixture
def download(registry: Registry, source: HubSource, home: Path) -> Callable[[str], None]:
    """Brings here what a variant lacks, in the plainest way: one GET a file."""

    def fetch(store: Store, staging: Path, file: MissingFile) -> Blob:
        target = staging / file.sha256
        with source.open(RemoteRevision(file.repo, file.commit), file.path) as stream:
            target.write_bytes(b"".join(stream.chunks()))
        return store.add(target, staging)

    def download(digest: str) -> None:
        store = Store(home / "store")
        with store.staging() as staging:
            registry.record_downloaded([fetch(store, staging, file) for file in registry.missing_files(digest)])

    return download


@pytest.fixture
def onnx_bytes() -> Callable[[str], bytes]:
    """Makes an ONNX file with one small tensor of `fp32` or `fp16`."""
    return lambda precision: _onnx([(precision, 8)])


@pytest.fixture
def large_onnx() -> bytes:
    """An ONNX file of twenty tensors of 200 KB of fp16, all inside."""
    return _onnx([("fp16", 100_000)] * 20)


def _onnx(tensors: list[tuple[str, int]]) -> bytes:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    types = {"fp32": np.float32, "fp16": np.float16}
    weights = [
        numpy_helper.from_array(np.ones(size, types[precision]), f"w{number}")
        for number, (precision, size) in enumerate(tensors)
    ]
    node = helper.make_node("Identity", ["input_ids"], ["last_hidden_state"])
    taken = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    given = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", 4])
    model = helper.make_model(helper.make_graph([node], "g", [taken], [given], weights))
    return bytes(model.SerializeToString())
