"""For authors of backends: the conformance suite, small models and small backends to test with.

`BackendContract` is imported when it is asked for, because it needs pytest and the small backends do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from panope_backends.testing.doubles import CrashBackend, EchoBackend, HangBackend, SlowBackend

if TYPE_CHECKING:
    from panope_backends.testing.contract import BackendContract

__all__ = ["BackendContract", "CrashBackend", "EchoBackend", "HangBackend", "SlowBackend"]


def __getattr__(name: str) -> object:
    if name != "BackendContract":
        raise AttributeError(name)
    import pytest

    pytest.register_assert_rewrite("panope_backends.testing.contract")
    from panope_backends.testing.contract import BackendContract

    return BackendContract
