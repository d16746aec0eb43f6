"""sentence-transformers' StaticEmbedding, as model2vec makes it: a table with one vector for each token.

It is run like a transformer whose token vectors depend on no other token; their mean is the task's to take.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.errors import PreconditionError

#: What the registry calls such a model's class: the name that modules.json has for the module.
STATIC = "StaticEmbedding"

_FILE = "model.safetensors"


def is_static(model: ModelFacts) -> bool:
    """Whether it is one."""
    return model.architecture == STATIC


def static_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_static` can work."""
    if model.format != "safetensors":
        return Support(Level.NONE, f"a {STATIC} is run from safetensors, not from `{model.format}`", is_final=True)
    return Support(Level.FULL, "a table of token vectors is looked up")


def load_static(folder: Path, precision: str) -> Any:
    """The table as a torch module that takes `input_ids` and gives `last_hidden_state`.

    Args:
        folder: of the module.
        precision: `fp32`, `bf16` or `fp16`, which the table is brought to.

    Raises:
        PreconditionError: the file is missing or broken, or its tensors are no table; the message names them.
    """
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    table = _table(_read(folder / _FILE)).to(dtype)

    class Table(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        """Answers as a transformer of transformers does."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding.from_pretrained(table, freeze=True)
            self.config = SimpleNamespace(hidden_size=table.shape[1], vocab_size=table.shape[0])

        def forward(self, input_ids: Any) -> dict[str, Any]:
            return {"last_hidden_state": self.embedding(input_ids)}

    return Table().eval()


def _read(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise PreconditionError(f"the module {STATIC} has no {_FILE}", reason="missing_file") from None
    except SafetensorError:
        raise PreconditionError(f"the {_FILE} of the module {STATIC} is broken") from None


def _table(tensors: dict[str, Any]) -> Any:
    """One row a token id; model2vec shares rows between tokens (`mapping`) and weighs them (`weights`)."""
    if "embedding.weight" in tensors:
        return _checked(tensors["embedding.weight"], "embedding.weight")
    if "embeddings" not in tensors:
        raise PreconditionError(f"the weights of the module {STATIC} have no `embedding.weight` and no `embeddings`")
    table = _checked(tensors["embeddings"], "embeddings")
    if (mapping := tensors.get("mapping")) is not None:
        if mapping.dim() != 1 or mapping.is_floating_point() or not mapping.numel():
            raise PreconditionError(f"`mapping` of the module {STATIC} is no list of rows")
        if int(mapping.min()) < 0 or int(mapping.max()) >= table.shape[0]:
            raise PreconditionError(f"`mapping` of the module {STATIC} names rows that `embeddings` does not have")
        table = table[mapping.long()]
    if (weights := tensors.get("weights")) is not None:
        if tuple(weights.shape) != (table.shape[0],):
            raise PreconditionError(f"`weights` of the module {STATIC} are not one for each token")
        table = table.float() * weights.float()[:, None]
    return _checked(table, "embeddings")


def _checked(table: Any, name: str) -> Any:
    if table.dim() != 2 or not table.is_floating_point() or not table.numel():
        raise PreconditionError(f"`{name}` of the module {STATIC} is no table of floating-point numbers")
    if not bool(table.isfinite().all()):
        raise PreconditionError(f"`{name}` of the module {STATIC} holds values that are not finite")
    return table.contiguous()
