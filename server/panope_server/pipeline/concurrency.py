"""How many calls run at a time, waiting ones included: of one model, and of one caller."""

from __future__ import annotations

from panope_backends.errors import OverloadedError
from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next

#: Nobody knows when a call ends.
RETRY_SECONDS = 1.0


class Concurrency:
    """The step that lets so many calls in at a time; it follows Resolve, which says what a model is."""

    def __init__(self, limits: Limits) -> None:
        self._of_models = Permits(limits.max_model_calls, "calls of this model", "max_model_calls")
        self._of_callers = Permits(limits.max_caller_calls, "calls of this caller", "max_caller_calls")

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call for which there are permits, which it holds to its end."""
        caller, model = call.caller, call.resolved_model
        self._of_callers.take(caller)
        try:
            self._of_models.take(model)
            try:
                await forward(call)
            finally:
                self._of_models.give_back(model)
        finally:
            self._of_callers.give_back(caller)


class Permits:
    """So many at a time for each name.

    Args:
        most: of one name; 0 for any number.
        noun: what there are too many of, for people.
        setting: in `limits`, that says how many.
    """

    def __init__(self, most: int, noun: str, setting: str) -> None:
        self._most = most
        self._noun = noun
        self._setting = setting
        self._held: dict[str, int] = {}

    def take(self, name: str) -> None:
        """Takes one, which must be given back.

        Raises:
            OverloadedError: there is none left.
        """
        held = self._held.get(name, 0)
        if held >= self._most > 0:
            raise OverloadedError(
                f"{self._most:,} {self._noun} run or wait already, which is the limit (`limits.{self._setting}`)",
                reason="too_many_calls",
                retry_after_seconds=RETRY_SECONDS,
            )
        self._held[name] = held + 1

    def give_back(self, name: str) -> None:
        """Gives one back; a name that holds none is forgotten."""
        held = self._held.pop(name) - 1
        if held:
            self._held[name] = held
