"""What an admin lets single models do that no other may: bring pickled weights, or code of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PICKLES = "pickles"
"""Weights in PyTorch's own files may be taken in. They are opened as data alone; what else they hold does not run."""

REMOTE_CODE = "remote_code"
"""Python files of the model may be taken in and run by its worker."""


NETWORK = "network"
"""Those files may use the network, which the worker denies them otherwise."""


@dataclass(frozen=True)
class Grants:
    """The settings `grants.pickles`, `grants.remote_code` and `grants.network`: names of models, or `vendor/*`."""

    pickles: Sequence[str] = ()
    remote_code: Sequence[str] = ()
    network: Sequence[str] = ()

    def of(self, model: str) -> tuple[str, ...]:
        """Returns the grants that a model has: of `pickles`, `remote_code` and `network`."""
        vendor, _, name = model.partition("/")
        allowed = {model, f"{vendor}/*"} if name else {model}
        listed = ((PICKLES, self.pickles), (REMOTE_CODE, self.remote_code), (NETWORK, self.network))
        return tuple(grant for grant, names in listed if not allowed.isdisjoint(names))


NO_GRANTS = Grants()
