"""For authors of backends: the conformance suites, small models and small backends to test with.

The suites are imported when they are asked for, because they need pytest and the small backends do not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from panope_backends.testing.checksum_step_model import ChecksumBackend, ChecksumStepModel, RunningChecksumStepModel
from panope_backends.testing.doubles import (
    BlendingBackend,
    CrashBackend,
    EchoBackend,
    FragileBackend,
    HangBackend,
    SlowBackend,
)

if TYPE_CHECKING:
    from panope_backends.testing.contracts.converter import ConverterContract
    from panope_backends.testing.contracts.step_model import StepModelContract
    from panope_backends.testing.contracts.tensor_model import TensorModelContract

__all__ = [
    "BlendingBackend",
    "ChecksumBackend",
    "ChecksumStepModel",
    "ConverterContract",
    "CrashBackend",
    "EchoBackend",
    "FragileBackend",
    "HangBackend",
    "RunningChecksumStepModel",
    "SlowBackend",
    "StepModelContract",
    "TensorModelContract",
]


_SUITES = {
    "ConverterContract": "panope_backends.testing.contracts.converter",
    "StepModelContract": "panope_backends.testing.contracts.step_model",
    "TensorModelContract": "panope_backends.testing.contracts.tensor_model",
}


def __getattr__(name: str) -> object:
    if name not in _SUITES:
        raise AttributeError(name)
    import pytest

    pytest.register_assert_rewrite("panope_backends.testing.contracts")
    return getattr(importlib.import_module(_SUITES[name]), name)
