"""Seeded decoders of every family, converted once for all tests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Conversion, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.testing.decoders import reference_logits, tiny_decoder


@dataclass
class Converted:
    """A decoder, before and after."""

    facts: ModelFacts
    source: Path
    folder: Path

    def reference(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        return reference_logits(self.source, tokens)


Convert = Callable[..., Converted]


def conversion(precision: str) -> Conversion:
    return next(found for found in OpenVinoBackend().conversions() if found.precision == precision)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Convert:
    """Converts a decoder of a family, once for each precision."""
    made: dict[tuple[str, str], Converted] = {}

    def convert(family: str, precision: str = "fp32") -> Converted:
        if (family, precision) not in made:
            source, folder = tmp_path_factory.mktemp(family), tmp_path_factory.mktemp(f"{family}-{precision}")
            facts = tiny_decoder(source, family)
            OpenVinoBackend().convert(facts, conversion(precision), source, folder)
            made[family, precision] = Converted(replace(facts, format="openvino"), source, folder)
        return made[family, precision]

    return convert
