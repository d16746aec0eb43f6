"""The generation core: makes a `TokenModel` of any `StepModel`, without knowing devices or models.

    submit → intake → scheduler → step → forward → reading (scores, draws) → answer → deltas

The scheduler chooses which tokens of which sequences a step computes, the block manager where their keys and values
lie (`scheduling`); what the logits say is drawn (`sampling`), within a grammar where there is one (`grammar`), and each
token becomes a delta of its answer at once (`text`).
"""

from panope_backends.generation.decoding import Decoding
from panope_backends.generation.engine import GenerationEngine
from panope_backends.generation.settings import GenerationSettings

__all__ = ["Decoding", "GenerationEngine", "GenerationSettings"]
