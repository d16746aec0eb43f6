"""Models that take texts and give vectors themselves: an engine with a tokenizer of its own, or a server elsewhere.

Threads. `embed` is called from one thread at a time and returns at once; what it gives is waited for on another.
"""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panope_backends.api.loaded_model import LoadedModel
from panope_backends.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np  # the registry uses these types too, and commands that look at models start without NumPy
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed, or token sequences: one of the two, not empty.

    Attributes:
        texts: each embedded by itself.
        token_sequences: texts as ids of the model's own vocabulary.
        truncation: of a text that is too long: `refuse`, or keep its beginning (`end` is cut) or its end (`start`).
        normalize: whether vectors have length 1; None for as the model does by itself.
        prompt_name: the prompt of the model's to put before each text; empty for its default.
    """

    texts: tuple[str, ...] = ()
    token_sequences: tuple[tuple[int, ...], ...] = ()
    truncation: str = "refuse"
    normalize: bool | None = None
    prompt_name: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, one for each text, in their order.

    Attributes:
        vectors: float32, texts × dimensions, finite.
        tokens: of all texts together; 0 when unknown.
        token_counts: of each text; empty where they are known together alone.
        truncated: the positions of texts that were cut, ascending; empty where the engine does not say.
    """

    vectors: NDArray[np.float32]
    tokens: int = 0
    token_counts: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()


class EmbeddingModel(LoadedModel):
    """A model that embeds texts."""

    max_tokens: int = 0
    """Of one text; 0 when unknown."""

    honoured: frozenset[str]
    """Names of fields of EmbeddingRequest beside `texts`: a request that sets another is refused by its name.

    `normalize` is named where False is honoured; True is done by Panope where the engine does not.
    """

    @abstractmethod
    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        """Begins to embed; the result comes, or an error.

        Call `require_supported` first.

        Raises:
            InvalidInputError: a field that cannot be honoured, by its name.
        """

    def require_supported(self, request: EmbeddingRequest) -> None:
        """Refuses a request with a field that the model does not honour.

        Raises:
            InvalidInputError: `field` is the first of them.
        """
        asked = {
            "token_sequences": bool(request.token_sequences),
            "truncation": request.truncation != "refuse",
            "normalize": request.normalize is False,
            "prompt_name": bool(request.prompt_name),
        }
        for name in (name for name, is_set in asked.items() if is_set and name not in self.honoured):
            raise refused_field(name)


def refused_field(name: str) -> InvalidInputError:
    """The refusal of a field that the engine of such a model does not honour."""
    return InvalidInputError.at(
        name, "{field} cannot be honoured: the model's engine takes texts as they are", reason="unsupported_field"
    )
