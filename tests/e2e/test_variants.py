"""One variant of a model, by an alias, beside the model itself; with the real MiniLM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import registry_service_pb2 as registry_pb
from panope_registry.aliases import Aliases
from panope_registry.database import Database, open_engine

ALIAS = "exact"


@pytest.fixture
def aliases(live_server: Any) -> Iterator[Aliases]:
    database = Database(open_engine(f"sqlite:///{live_server.home / 'registry.sqlite3'}"))
    yield Aliases(database)
    database.close()


def test_an_alias_of_a_variant_runs_that_variant_beside_the_model(
    live_server: Any, stubs: Callable[[str], Any], aliases: Aliases
) -> None:
    made, model = stubs(live_server.grpc_address), live_server.model
    (instance,) = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.instances
    variants = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.variants
    original = next(variant for variant in variants if variant.format == "safetensors")
    assert instance.variant_digest != original.digest  # what Panope chose is the conversion
    aliases.set(ALIAS, model, variant_digest=original.digest[:8], expected="", who="a test", reason="")

    def embed(name: str) -> np.ndarray:
        answer = made.embed.Embed(pb.EmbedRequest(model=name, texts=["a quiet river"]), timeout=60)
        return np.frombuffer(answer.vectors, "<f4")

    exact, chosen = embed(ALIAS), embed(model)
    assert not np.array_equal(exact, chosen)
    assert float(exact @ chosen) > 0.999
    running = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.instances
    assert [(each.variant_digest, each.backend) for each in running] == [
        (instance.variant_digest, instance.backend),
        (original.digest, "cpu"),
    ]
    assert running[0].pid == instance.pid  # the model's own instance goes on
    beside = running[1].id
    assert beside.startswith(f"{model}@{original.digest[:12]}#")

    aliases.remove(ALIAS, "a test", "")

    def alone() -> bool:
        left = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.instances
        return [each.pid for each in left] == [instance.pid]

    live_server.wait(alone, 20, "the end of the variant that no alias points to")
