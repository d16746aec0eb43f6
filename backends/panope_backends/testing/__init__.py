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
    from panope_backends.testing.contract import BackendContract
    from panope_backends.testing.conversion import ConverterContract

__all__ = [
    "BackendContract",
    "BlendingBackend",
    "ConverterContract",
    "CrashBackend",
    "EchoBackend",
    "FragileBackend",
    "HangBackend",
    "SlowBackend",
]


_SUITES = {
    "BackendContract": "panope_backends.testing.contract",
    "ConverterContract": "panope_backends.testing.conversion",
}


def __getattr__(name: str) -> object:
    if name not in _SUITES:
        raise AttributeError(name)
    import pytest

    pytest.register_assert_rewrite(*_SUITES.values())
    return getattr(importlib.import_module(_SUITES[name]), name)
