"""For authors of backends: the conformance suites, small models and small backends to test with.

The suites are imported when they are asked for, because they need pytest and the small backends do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from panope_backends.testing.doubles import (
    BlendingBackend,
    CrashBackend,
    EchoBackend,
    FragileBackend,
    HangBackend,
    SlowBackend,
)

if TYPE_CHECKING:
    from panope_backends.testing.conversion import ConverterContract
    from panope_backends.testing.tensor_model_contract import TensorModelContract

__all__ = [
    "BlendingBackend",
    "ConverterContract",
    "CrashBackend",
    "EchoBackend",
    "FragileBackend",
    "HangBackend",
    "SlowBackend",
    "TensorModelContract",
]


_SUITES = {
    "ConverterContract": "panope_backends.testing.conversion",
    "TensorModelContract": "panope_backends.testing.tensor_model_contract",
}


def __getattr__(name: str) -> object:
    if name not in _SUITES:
        raise AttributeError(name)
    import pytest

    pytest.register_assert_rewrite("panope_backends.testing.backend_contract", *_SUITES.values())
    return getattr(importlib.import_module(_SUITES[name]), name)
