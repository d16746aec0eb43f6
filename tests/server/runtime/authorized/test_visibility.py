"""A model that a caller does not see is one that there is not."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.errors import NotFoundError
from panope_registry.access.scopes import ModelPatterns
from panope_registry.registry import model_not_found
from panope_server.access.principal import Principal, set_principal
from panope_server.runtime.authorized.visibility import AuthorizedDirectory, Visibility

ALIASES = {
    "prod": ["acme/tiny"],
    "theirs": ["other/tiny"],
    "split": ["acme/tiny", "acme/small"],
    "shared": ["acme/tiny", "other/tiny"],
}


class Names:
    """A directory in which everything that is asked for is there."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, name: str) -> Any:
        self.asked.append(name)
        return SimpleNamespace(key=name)

    async def default_for(self, task: str) -> str | None:
        return {"embed": "acme/tiny", "generate": "other/tiny"}.get(task)

    def known_models(self, name: str) -> Sequence[str]:
        return ALIASES.get(name, ())


@pytest.fixture
def names() -> Names:
    set_principal(Principal("team", "A" * 12, models=ModelPatterns.parse(["acme/*"])))
    return Names()


async def test_a_model_and_an_alias_of_it_are_found_by_who_sees_the_model(names: Names) -> None:
    directory: Any = AuthorizedDirectory(names, Visibility(names))
    assert [(await directory.resolve(name)).key for name in ("acme/tiny", "prod", "split")] == [
        "acme/tiny",
        "prod",
        "split",
    ]
    assert await directory.default_for("embed") == "acme/tiny"


@pytest.mark.parametrize("name", ["other/tiny", "theirs", "other/absent", "shared"])
async def test_what_a_caller_does_not_see_is_refused_alike_and_not_looked_up(names: Names, name: str) -> None:
    directory = AuthorizedDirectory(names, Visibility(names))
    with pytest.raises(NotFoundError) as refused:
        await directory.resolve(name)
    assert refused.value.reason == "model_not_found"
    assert refused.value.message.replace(name, "X") == model_not_found("X").message
    assert not names.asked
    assert await directory.default_for("generate") is None
