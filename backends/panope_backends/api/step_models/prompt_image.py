"""Images in prompts, as a model's own processor has prepared them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panope_backends.api.step_models.step_batch import Integers

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class PromptImage:
    """One image of a prompt.

    Attributes:
        places: the positions of the prompt that it stands at, ascending and at least one: their tokens are the model's
            `image_token_id`, which says nothing of the image itself. Other tokens may stand between them.
        inputs: what the model's vision tower is given, by the names that the model's library has for it.
        digest: of all that tells it from another image: two whose digests are equal are the same to the model.
    """

    places: Integers
    inputs: Mapping[str, np.ndarray[Any, Any]]
    digest: bytes

    @property
    def begin(self) -> int:
        """The first of its places."""
        return int(self.places[0])

    @property
    def end(self) -> int:
        """Behind the last of its places."""
        return int(self.places[-1]) + 1
