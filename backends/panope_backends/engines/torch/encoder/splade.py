"""The head of a sparse encoder: a masked language model's values of the vocabulary, pooled over a text's tokens.

SPLADE (Formal et al., 2021, arXiv 2107.05720; the maximum in 2109.10086; the second logarithm in 2504.14839), as
sentence-transformers' SpladePooling computes it. It is part of what engines run, because a text's tokens have as many
values each as the text.
"""

from __future__ import annotations

from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.text_graphs import SPARSE_OUTPUT

PREFIX = "splade-"

HEADS = ("splade-max", "splade-max-log", "splade-sum", "splade-sum-log")


def with_splade(base: Any, head: str) -> Any:
    """A torch module that takes what `base` takes, and gives `sparse_embedding`, texts × vocabulary.

    Args:
        base: a masked language model of transformers.
        head: one of `HEADS`.

    Raises:
        PreconditionError: it is another head.
    """
    import torch

    if head not in HEADS:
        raise PreconditionError(f"there is no head `{head[:40]}` of sparse encoders")
    takes_maximum, twice = head.startswith("splade-max"), head.endswith("-log")

    class Splade(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        """Answers as a model of transformers does."""

        def __init__(self) -> None:
            super().__init__()
            self.base = base
            self.config = base.config

        def forward(self, input_ids: Any, attention_mask: Any, **more: Any) -> dict[str, Any]:
            logits = self.base(input_ids=input_ids, attention_mask=attention_mask, **more)["logits"]
            masked = logits * attention_mask.unsqueeze(-1).to(logits.dtype)
            # What follows grows with its input, so the maximum may come first, which is a vocabulary's work, not a
            # text's.
            values = (masked.amax(dim=1) if takes_maximum else masked).relu().log1p()
            values = values.log1p() if twice else values
            return {SPARSE_OUTPUT: values if takes_maximum else values.sum(dim=1)}

    return Splade().eval()
