"""Skills as models: one that embeds for the task of that name, any other as tensors of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays, EmbeddingModel, EmbeddingRequest, Embeddings, TensorModel, TensorSpec
from panope_backends.engines.python.own_code import running_code
from panope_backends.engines.python.skill import Skill, plain
from panope_backends.engines.python.tensors import wrong
from panope_backends.errors import InvalidInputError

INPUT, OUTPUT = "text", "result"

#: Under which skills give vectors.
_VECTORS = ("embeddings", "embedding", "vectors", "vector", "result")


class SkillTensorModel(TensorModel):
    """A skill asked for one text after another; each answer is JSON."""

    precision = "fp32"
    has_trial = False
    inputs = (TensorSpec(INPUT, "object", (-1,)),)
    outputs = (TensorSpec(OUTPUT, "object", (-1,)),)

    def __init__(self, folder: Path) -> None:
        self._skill = Skill(folder)

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Asks the handler for each text.

        Raises:
            InvalidInputError: a text is no UTF-8.
            InternalError: the skill fails.
        """
        texts = arrays[INPUT]
        found = np.empty(texts.shape, object)
        for index, text in enumerate(texts):
            with running_code():
                answer = plain(self._skill.ask(_decoded(text)))
                found[index] = json.dumps(answer).encode()
        return {OUTPUT: found}

    def close(self) -> None:
        """Ends the skill."""
        self._skill.close()


class SkillEmbeddingModel(EmbeddingModel):
    """A skill whose handler gives vectors, of several texts at once where it can."""

    precision = "fp32"
    honoured = frozenset[str]()

    def __init__(self, folder: Path) -> None:
        self._skill = Skill(folder)
        self._thread = ThreadPoolExecutor(1, "skill")
        self._takes_several = False
        try:
            self._takes_several = self._can_take_several()
        except BaseException:
            self.close()
            raise

    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        """Asks the handler on a thread of its own."""
        self.require_supported(request)
        return self._thread.submit(self._embedded, request.texts)

    def close(self) -> None:
        """Ends the skill once it has answered."""
        self._thread.shutdown()
        self._skill.close()

    def _embedded(self, texts: Sequence[str]) -> Embeddings:
        if self._takes_several and len(texts) > 1:
            rows = self._rows(list(texts))
        else:
            rows = np.concatenate([self._rows(text) for text in texts])
        if len(rows) != len(texts):
            raise wrong(f"gives {len(rows)} vectors for {len(texts)} texts")
        return Embeddings(rows)

    def _can_take_several(self) -> bool:
        """Whether two texts at once give what each gives alone.

        Raises:
            InternalError: they give nothing alone.
        """
        texts = ["one", "two of them"]
        alone = np.concatenate([self._rows(text) for text in texts])
        try:
            together = self._rows(texts)
        except Exception:  # it raises what it likes where it takes one text alone
            return False
        return together.shape == alone.shape and bool(np.allclose(together, alone, atol=1e-3))

    def _rows(self, asked: str | list[str]) -> NDArray[np.float32]:
        with running_code():
            found = plain(self._skill.ask(asked))
        if isinstance(found, Mapping):
            found = next((found[key] for key in _VECTORS if key in found), None)
        try:
            rows = np.atleast_2d(np.asarray(found, np.float32))
        except (TypeError, ValueError):
            raise wrong("gives no vectors") from None
        if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
            raise wrong(f"gives an array of shape {list(rows.shape)} in place of finite vectors")
        return rows


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise InvalidInputError.at(f"inputs[{INPUT}]", "{field} has a text that is no UTF-8") from None
