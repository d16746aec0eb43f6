"""Models that take texts, or pairs of them, and give a value for each label themselves: a server elsewhere, say.

Threads. `classify` is called from one thread at a time and returns at once; what it gives is waited for on another.
"""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panope_backends.api.embedding_model import refused_field
from panope_backends.api.loaded_model import LoadedModel
from panope_backends.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np  # the registry uses these types too, and commands that look at models start without NumPy
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClassificationRequest:
    """Texts to classify, at least one.

    Attributes:
        texts: each by itself, or with its second text.
        second_texts: as many as `texts`; empty where each text is alone.
        truncation: of what is too long: `refuse`, or keep its beginning (`end` is cut) or its end (`start`).
    """

    texts: tuple[str, ...]
    second_texts: tuple[str, ...] = ()
    truncation: str = "refuse"


@dataclass(frozen=True, slots=True)
class Classifications:
    """What a model makes of texts, in their order.

    Attributes:
        values: float32, texts × labels, finite: the model's own, of which no function has made scores.
        tokens: of all texts together; 0 when unknown.
    """

    values: NDArray[np.float32]
    tokens: int = 0


class ClassificationModel(LoadedModel):
    """A model that classifies texts; one of a single label that honours `second_texts` reranks."""

    labels: tuple[str, ...]
    """By their ids, no two alike; at least one."""

    max_tokens: int = 0
    """Of one text, or of two with what is between them; 0 when unknown."""

    needs_second_texts: bool = False
    """Whether it only compares texts, as rerankers do: texts alone are refused."""

    honoured: frozenset[str]
    """Names of fields of ClassificationRequest beside `texts`: a request that sets another is refused by its name."""

    @abstractmethod
    def classify(self, request: ClassificationRequest) -> Future[Classifications]:
        """Begins to classify; the result comes, or an error.

        Call `require_supported` first.

        Raises:
            InvalidInputError: a field that cannot be honoured, by its name.
        """

    def require_supported(self, request: ClassificationRequest) -> None:
        """Refuses a request with a field that the model does not honour.

        Raises:
            InvalidInputError: `field` is the first of them.
        """
        if self.needs_second_texts and not request.second_texts:
            raise InvalidInputError.at("second_texts", "{field} must be given: the model compares texts")
        asked = {"second_texts": bool(request.second_texts), "truncation": request.truncation != "refuse"}
        for name in (name for name, is_set in asked.items() if is_set and name not in self.honoured):
            raise refused_field(name)
