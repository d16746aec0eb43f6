"""Refuses calls for tasks that the caller's key does not cover; models that it does not see were never found."""

from __future__ import annotations

from typing import Protocol

from panope_backends.errors import PermissionDeniedError
from panope_registry.access.scopes import RUN
from panope_server.access.authentication import unauthenticated
from panope_server.access.principal import Principal, current_principal
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of

#: Whoever may run a model may count the tokens of its texts.
_OF_TOKENS = ("tokenize", "detokenize")


class Authority(Protocol):
    """Knows whether callers are still good."""

    def is_live(self, principal: Principal) -> bool:
        """Whether somebody who was let in before would be now."""


class Authorise:
    """The step that knows the task; it follows ReadValue, which settles what a call brings.

    A stream goes on for long after its caller was let in, so each of its calls is asked for here.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call that its caller may make."""
        principal = current_principal()
        if not self._authority.is_live(principal):
            raise unauthenticated()
        task = task_of(call.input).name
        if not (principal.may_use(task, RUN) or (task in _OF_TOKENS and principal.may_use(call.model_task, RUN))):
            raise PermissionDeniedError(
                f"the key has no scope for this: it needs `{task}:{RUN}`", reason="scope_missing"
            )
        await forward(call)
