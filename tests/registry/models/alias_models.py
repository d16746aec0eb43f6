"""The models that aliases point to in tests."""

from __future__ import annotations

MODELS = ("v/a", "v/b", "v/c")
DIGEST = "d" * 64
CONVERTED = "c" * 64
ADA = {"principal": "ada", "reason": "a test"}
