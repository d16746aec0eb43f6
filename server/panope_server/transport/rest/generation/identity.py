"""What tells answers of OpenAI's routes apart."""

from __future__ import annotations

import time
import uuid
from typing import Any

from panope_server.pipeline.call import Call


class Identity:
    """The name, time and model of one answer.

    Args:
        call: that is answered; once it is, it knows the model that the caller's name means.
        prefix: of the name.
    """

    def __init__(self, call: Call, prefix: str) -> None:
        self._call = call
        self.id = f"{prefix}-{uuid.uuid4().hex}"
        self.created = int(time.time())

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._call.model

    def event(self, kind: str) -> dict[str, Any]:
        """The fields that every event of the answer begins with."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}
