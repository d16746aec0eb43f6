"""What each REST route takes and gives, as types: the part of /openapi.json that protos do not say."""

from __future__ import annotations

from collections.abc import Mapping

from generator.operations import management, media, text
from generator.operations.operation import BYTES, JSON, Operation
from generator.operations.plain import PLAIN
from generator.operations.read_later import READ_LATER

__all__ = ["BYTES", "JSON", "METHODS", "PLAIN", "READ_LATER", "Operation"]

METHODS: Mapping[str, Operation] = {**text.METHODS, **media.METHODS, **management.METHODS}
"""By `Service.Method` of the façade."""
