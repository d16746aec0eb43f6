"""What a model's answers depend on beside their inputs: the files, and what computes with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from panope_server.runtime.instances.model_instance import ModelInstance

_NUMBER = re.compile(r"[.:]?\d+$")


class Computation(NamedTuple):
    """What computes a model's answers. Where two are equal, so are the answers to equal inputs.

    Attributes:
        variant_digest: of the files.
        format: of the files.
        weights_precision: of most weights in them.
        backend: that runs them.
        device: its kind, such as `cuda`; two of one kind compute alike.
        precision: computed in.
        cache_precision: of keys and values, where there is a cache of them.
    """

    variant_digest: str
    format: str
    weights_precision: str
    backend: str
    device: str
    precision: str
    cache_precision: str = ""


def computation_of(instances: Sequence[ModelInstance], facts: object) -> Computation | None:
    """What all instances of a model compute with; None where one computes unlike another.

    Args:
        instances: that serve.
        facts: what the model has told of itself.
    """
    cache_precision = getattr(facts, "cache_precision", "")
    found = {_of(instance, cache_precision) for instance in instances}
    return found.pop() if len(found) == 1 else None


def _of(instance: ModelInstance, cache_precision: str) -> Computation:
    plan = instance.plan
    return Computation(
        variant_digest=plan.variant_digest,
        format=plan.format,
        weights_precision=plan.weights_precision,
        backend=plan.backend,
        device=_NUMBER.sub("", plan.device),
        precision=instance.precision,
        cache_precision=cache_precision,
    )
