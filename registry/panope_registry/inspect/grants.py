"""What an admin lets single models do that no other may: bring pickled weights, or code of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PICKLES = "pickles"
"""Weights in PyTorch's own files may be taken in. They are opened as data alone; what else they hold does not run."""

REMOTE_CODE = "remote_code"
"""Python files of the model may be taken in and run by its worker."""


@dataclass(frozen=True)
class Grants:
    """The settings `grants.pickles` and `grants.remote_code`: names of models, or `vendor/*`."""

    pickles: Sequence[str] = ()
    remote_code: Sequence[str] = ()

    def of(self, model: str) -> tuple[str, ...]:
        """Returns the grants that a model has: of `pickles` and `remote_code`."""
        vendor, _, name = model.partition("/")
        allowed = {model, f"{vendor}/*"} if name else {model}
        listed = ((PICKLES, self.pickles), (REMOTE_CODE, self.remote_code))
        return tuple(grant for grant, names in listed if not allowed.isdisjoint(names))


NO_GRANTS = Grants()
