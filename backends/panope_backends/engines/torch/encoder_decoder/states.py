"""What an encoder gives, in the form in which transformers' models take it."""

from __future__ import annotations

from typing import Any

from transformers.modeling_outputs import BaseModelOutput


class EncoderStates(BaseModelOutput):  # type: ignore[misc]
    """The states alone: models with experts look for what chose these too, and find nothing."""

    router_logits: Any = None
