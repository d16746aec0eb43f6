"""Which adapters a step model has by which number, and which of them requests still need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from panope_backends.api import AdaptableStepModel, StepModel
from panope_backends.errors import PreconditionError


class Adapters:
    """The adapters of one model, by what names their content; who has the same content shares one.

    One lock of the caller's guards all but `read`.

    Args:
        model: one that takes adapters, or any other, which then has none.
    """

    def __init__(self, model: StepModel) -> None:
        self._model = model if isinstance(model, AdaptableStepModel) else None
        self.most = self._model.max_adapters if self._model is not None else 0
        self._numbers: dict[str, int] = {}
        self._holders: Counter[str] = Counter()
        self._leaving: set[int] = set()
        self._free = set(range(1, self.most + 1))

    def share(self, name: str) -> bool:
        """Counts one more who has an adapter; False where there is none of the name yet."""
        if name not in self._numbers:
            return False
        self._holders[name] += 1
        return True

    def reserve(self) -> int:
        """A number for one more; give it back, or put it to a name.

        Raises:
            PreconditionError: there are as many as there may be.
        """
        if not self._free:
            raise PreconditionError(
                f"{self.most} adapters run beside the model, and `generation.max_adapters` allows no more",
                reason="needs_own_instance",
            )
        number = min(self._free)
        self._free.remove(number)
        return number

    def read(self, number: int, folder: Path) -> None:
        """Has the model read an adapter; errors as of `AdaptableStepModel.add_adapter`."""
        assert self._model is not None  # or nothing could be reserved
        self._model.add_adapter(number, folder)

    def give_back(self, number: int) -> None:
        """Frees a number that got no name."""
        self._free.add(number)

    def put(self, name: str, number: int) -> None:
        """Lets requests find an adapter that was read; where another of the same content came first, that is shared."""
        if self.share(name):
            self._leaving.add(number)
            return
        self._numbers[name] = number
        self._holders[name] = 1

    def number_of(self, name: str) -> int:
        """The number of an adapter; 0 for no name.

        Raises:
            PreconditionError: it is not loaded.
        """
        if not name:
            return 0
        if name not in self._numbers:
            raise PreconditionError("the adapter is not loaded", reason="model_not_loaded")
        return self._numbers[name]

    def leave(self, name: str) -> int:
        """Lets no further request find an adapter, once all have left who had it; `release` frees it.

        Returns:
            Its number; 0 where there is none, and while others have it.
        """
        self._holders[name] -= 1
        if self._holders[name] > 0:
            return 0
        del self._holders[name]
        number = self._numbers.pop(name, 0)
        if number:
            self._leaving.add(number)
        return number

    def release(self, used: Collection[int]) -> None:
        """Frees the adapters that were left and that no request uses any more."""
        for number in self._leaving.difference(used):
            assert self._model is not None
            self._model.remove_adapter(number)
            self._leaving.remove(number)
            self._free.add(number)
