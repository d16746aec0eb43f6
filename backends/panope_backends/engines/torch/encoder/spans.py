"""Starts and ends of answers as one output, as every other head gives one."""

from __future__ import annotations

from typing import Any

import torch


class SpansInOne(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """A model of transformers that answers questions.

    Attributes:
        config: the model's.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.config = model.config

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None, **options: Any) -> Any:
        """`logits`: batch × tokens × 2."""
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        found = self.model(input_ids=input_ids, attention_mask=attention_mask, **more, **options)
        return {"logits": torch.stack((found["start_logits"], found["end_logits"]), dim=-1)}
