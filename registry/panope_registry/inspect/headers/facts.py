"""What a header tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from panope_backends.api import TensorSpec

#: Kept beside the weights, such as position ids; not parameters.
BUFFERS = frozenset({"int64", "int32", "int16", "uint64", "uint32", "uint16", "bool", "string"})


@dataclass(frozen=True)
class GraphFacts:
    """What a graph takes and gives; the types by our names of precisions."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class WeightFacts:
    """What is in a weights file.

    Attributes:
        elements: precision -> number of elements stored in it; integer buffers included, under their own names.
        architecture: as the file names it; empty when it does not.
        metadata: single values of the header that later steps use.
        is_partial: whether elements may be missing, because the header was not read to its end.
        told_precision: of the weights, as a graph's operators say; empty where counting them tells.
        longest_axis: of the tensors; 0 where nobody told.
        graph: None where the file holds weights alone, or does not tell.
    """

    elements: Mapping[str, int]
    architecture: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_partial: bool = False
    told_precision: str = ""
    graph: GraphFacts | None = None
    longest_axis: int = 0

    @property
    def parameter_count(self) -> int:
        """The number of parameters; 0 when it is unknown."""
        if self.is_partial:
            return 0
        return sum(count for precision, count in self.elements.items() if precision not in BUFFERS)

    @property
    def precision(self) -> str:
        """The precision of the weights, or of most of them; empty when there are none."""
        return self.told_precision or max(
            (precision for precision in self.elements if precision not in BUFFERS),
            key=lambda precision: self.elements[precision],
            default="",
        )


def merged(facts: list[WeightFacts]) -> WeightFacts:
    """Returns the facts of a model whose weights are in several files."""
    elements: Counter[str] = Counter()
    for part in facts:
        elements.update(part.elements)
    first = facts[0]
    longest = max(part.longest_axis for part in facts)
    return WeightFacts(dict(elements), first.architecture, first.metadata, longest_axis=longest)
