"""A transformers model in the form that tracers take: arrays by name in, one tensor out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.engines.equivalence import TRACED, Array, Arrays, example
from panope_backends.engines.torch.encoder.long_texts import changes_past
from panope_backends.engines.torch.encoder.transformer import load_transformer
from panope_backends.errors import PreconditionError


@dataclass(frozen=True)
class Traceable:
    """A model in float32.

    Attributes:
        module: takes `names` as keywords and returns its output.
        names: of the inputs.
        output: the output's name.
        vocabulary: how many token ids it has.
        positions: how many tokens a text may have; 0 when its configuration does not tell.
    """

    module: Any
    names: tuple[str, ...]
    output: str
    vocabulary: int
    positions: int

    def run(self, arrays: Arrays) -> Array:
        """Runs it in torch."""
        import torch

        with torch.inference_mode():
            hidden = self.module(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        result: Array = hidden.numpy()
        return result

    def example(self) -> dict[str, Any]:
        """Tensors to trace it with."""
        import torch

        arrays = example(self.names, self.vocabulary, *TRACED)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def load_traceable(model: ModelFacts, folder: Path) -> Traceable:
    """Loads safetensors.

    Raises:
        PreconditionError: as `load_transformer`, or the configuration does not tell how many token ids there are.
    """
    # Of the ways to compute attention only `eager` masks with finite numbers. The others' give NaN in OpenVINO for
    # padding on the left of a decoder, whose first tokens see nothing. OpenVINO fuses `eager` attention all the same.
    base, names, output = load_transformer(model, folder, "fp32", attention="eager")
    positions = getattr(base.config, "max_position_embeddings", 0) or 0
    if most := changes_past(base.config):
        raise PreconditionError(
            f"the model computes texts of more than {most:,} tokens otherwise than shorter ones, and a graph does not",
            reason="conversion_failed",
        )
    vocabulary = getattr(base.config, "vocab_size", None)
    if not vocabulary:
        raise PreconditionError(
            "the model's configuration has no `vocab_size`, which a conversion's proof needs",
            reason="conversion_failed",
        )
    return Traceable(_with_one_output(base, output), names, output, vocabulary, positions)


def _with_one_output(base: Any, output: str) -> Any:
    import torch

    # Decoders would return their cache, which nothing reads here.
    options = {"use_cache": False} if getattr(base.config, "use_cache", False) else {}

    class OneOutput(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        """Tracing takes no dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.base = base

        def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
            more = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
            given = {name: tensor for name, tensor in more.items() if tensor is not None}
            return self.base(input_ids=input_ids, **options, **given)[output]

    return OneOutput().eval()
