"""One variant of a model, by an alias, beside the model itself; with the real MiniLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from panope.v1 import alias_service_pb2 as alias_pb
from panope.v1 import alias_service_pb2_grpc as alias_grpc
from panope.v1 import embed_service_pb2 as pb
from panope.v1 import registry_service_pb2 as registry_pb

ALIAS = "exact"


def test_an_alias_of_a_variant_runs_that_variant_beside_the_model(
    live_server: Any, stubs: Callable[[str], Any]
) -> None:
    made, model = stubs(live_server.grpc_address), live_server.model
    (instance,) = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.instances
    variants = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.variants
    original = next(variant for variant in variants if variant.format == "safetensors")
    assert instance.variant_digest != original.digest  # what Panope chose is the conversion
    aliases = alias_grpc.AliasServiceStub(made.channel)
    request = alias_pb.SetAliasRequest(alias=ALIAS, model=model, variant=original.digest[:8], expected="")
    assert aliases.SetAlias(request).alias.variant_digest == original.digest
    told = aliases.GetAlias(alias_pb.GetAliasRequest(alias=ALIAS))
    assert (told.alias.variant_digest, told.events[0].variant_digest) == (original.digest, original.digest)

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

    aliases.DeleteAlias(alias_pb.DeleteAliasRequest(alias=ALIAS, expected=f"{model}@{original.digest}"))

    def alone() -> bool:
        left = made.registry.GetModel(registry_pb.GetModelRequest(model=model)).model.instances
        return [each.pid for each in left] == [instance.pid]

    live_server.wait(alone, 20, "the end of the variant that no alias points to")
