"""Aliases: moved by those who know where they point, with a history, and back again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alias_models import ADA, CONVERTED, DIGEST, MODELS
from sqlalchemy import delete

from panope_backends.errors import AlreadyExistsError, InvalidInputError, NotFoundError, PreconditionError
from panope_registry.models.alias_types import AliasAction
from panope_registry.models.aliases import Aliases
from panope_registry.session import RegistrySession
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import model


def test_an_alias_points_to_a_model_or_to_one_variant_of_it(aliases: Aliases) -> None:
    entry = aliases.set("embed", "v/a", expected="", **ADA)
    assert (entry.name, entry.target_model, entry.variant_digest, entry.version) == ("embed", "v/a", "", 1)
    assert entry == aliases.get("embed")
    exact = aliases.set("embed", "v/a", variant_digest=DIGEST, expected="v/a", **ADA)
    assert (exact.target, exact.version) == (f"v/a@{DIGEST}", 2)
    other = aliases.set("prod/embed", "v/b", expected=None, **ADA)
    assert aliases.list() == [exact, other]
    converted = aliases.set("fast", "v/a", variant_digest=CONVERTED, expected="", **ADA)
    assert aliases.list() == [exact, converted, other]
    assert aliases.list(target_model="v/b") == [other]


def test_the_first_digits_of_a_digest_are_enough(aliases: Aliases) -> None:
    assert aliases.set("fast", "v/a", variant_digest=CONVERTED[:8], expected="", **ADA).variant_digest == CONVERTED
    with pytest.raises(InvalidInputError, match="the first 8 or more hexadecimal digits") as caught:
        aliases.set("fast", "v/a", variant_digest=CONVERTED[:7], expected=None, **ADA)
    assert caught.value.field == "variant"
    assert aliases.get("fast").version == 1


def test_a_new_model_may_not_take_the_name_of_an_alias(
    aliases: Aliases, database_url: str, home: Path, make_model: Callable[..., Path]
) -> None:
    aliases.set("prod/embed", "v/a", expected="", **ADA)
    session = RegistrySession.open(database_url, home)
    registry = session.registry
    with pytest.raises(AlreadyExistsError, match="`prod/embed` is an alias") as caught:
        registry.import_folder(make_model(), "prod/embed")
    assert (caught.value.reason, caught.value.field) == ("alias_exists", "model")
    assert [entry.name for entry in registry.models()] == list(MODELS)
    session.close()


@pytest.mark.parametrize("expected", ["", "v/b", f"v/a@{DIGEST}", "nonsense"])
def test_an_alias_that_points_elsewhere_than_expected_stays(aliases: Aliases, expected: str) -> None:
    entry = aliases.set("embed", "v/a", expected=None, **ADA)
    for change in (
        lambda: aliases.set("embed", "v/c", expected=expected, **ADA),
        lambda: aliases.rollback("embed", "ada", "", expected=expected),
        lambda: aliases.remove("embed", "ada", "", expected=expected),
    ):
        with pytest.raises(PreconditionError, match="points to `v/a`, not as expected") as caught:
            change()
        assert caught.value.reason == "alias_moved"
    assert aliases.get("embed") == entry
    assert len(aliases.history("embed")) == 1


def test_an_alias_expected_somewhere_that_does_not_exist_is_not_made(aliases: Aliases) -> None:
    with pytest.raises(PreconditionError, match="does not exist, not as expected"):
        aliases.set("embed", "v/a", expected="v/b", **ADA)
    assert aliases.list() == []


def test_rollbacks_walk_back_through_the_targets(aliases: Aliases) -> None:
    for target in MODELS:
        aliases.set("embed", target, expected=None, **ADA)
    assert aliases.rollback("embed", "bob", "worse").target == "v/b"
    assert aliases.rollback("embed", "bob", "still worse", expected="v/b").target == "v/a"
    with pytest.raises(PreconditionError, match="never pointed elsewhere"):
        aliases.rollback("embed", "bob", "")
    aliases.set("embed", "v/c", expected="v/a", **ADA)
    assert aliases.rollback("embed", "bob", "").target == "v/a"


def test_the_history_tells_who_did_what_and_why_and_stays(aliases: Aliases) -> None:
    aliases.set("embed", "v/a", variant_digest=DIGEST, expected="", principal="ada", reason="first")
    aliases.set("embed", "v/b", expected=None, principal="bob", reason="better")
    aliases.rollback("embed", "eve", "worse")
    aliases.remove("embed", "ada", "over")
    told = [
        (e.version, e.action, e.target_model, e.variant_digest, e.principal, e.reason) for e in aliases.history("embed")
    ]
    assert told == [
        (4, AliasAction.DELETED, "", "", "ada", "over"),
        (3, AliasAction.ROLLED_BACK, "v/a", DIGEST, "eve", "worse"),
        (2, AliasAction.SET, "v/b", "", "bob", "better"),
        (1, AliasAction.SET, "v/a", DIGEST, "ada", "first"),
    ]
    with pytest.raises(NotFoundError, match="alias `embed` does not exist"):
        aliases.get("embed")
    again = aliases.set("embed", "v/c", expected="", **ADA)
    assert again.version == 5
    with pytest.raises(PreconditionError):
        aliases.rollback("embed", "ada", "")


def test_an_alias_never_shadows_a_model(aliases: Aliases) -> None:
    with pytest.raises(AlreadyExistsError, match="`v/b` is a model"):
        aliases.set("v/b", "v/a", expected=None, **ADA)
    assert aliases.list() == []


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "a b", "-a", "a/", "/a", "a" * 97, "é"])
def test_a_bad_name_is_refused(aliases: Aliases, name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not an alias's name") as caught:
        aliases.set(name, "v/a", expected=None, **ADA)
    assert caught.value.field == "alias"


@pytest.mark.parametrize(
    ("target", "digest", "reason"),
    [
        ("v/x", "", "model_not_found"),
        ("no name at all", "", "model_not_found"),
        ("v/b", DIGEST, "variant_not_found"),
        ("v/a", "e" * 64, "variant_not_found"),
    ],
)
def test_a_target_that_does_not_exist_is_refused(aliases: Aliases, target: str, digest: str, reason: str) -> None:
    before = aliases.set("embed", "v/c", expected="", **ADA)
    with pytest.raises(NotFoundError) as caught:
        aliases.set("embed", target, variant_digest=digest, expected=None, **ADA)
    assert caught.value.reason == reason
    assert aliases.get("embed") == before


def test_a_rollback_to_a_model_that_is_gone_changes_nothing(aliases: Aliases, database: Database) -> None:
    aliases.set("embed", "v/b", expected="", **ADA)
    entry = aliases.set("embed", "v/a", expected="v/b", **ADA)
    with database.change() as connection:
        connection.execute(delete(model).where(model.c.name == "v/b"))
    with pytest.raises(NotFoundError, match="model `v/b` does not exist"):
        aliases.rollback("embed", "ada", "")
    assert aliases.get("embed") == entry


def test_what_was_never_an_alias_is_said_to_be_missing(aliases: Aliases) -> None:
    for ask in (
        lambda: aliases.get("embed"),
        lambda: aliases.history("embed"),
        lambda: aliases.rollback("embed", "ada", ""),
        lambda: aliases.remove("embed", "ada", ""),
    ):
        with pytest.raises(NotFoundError) as caught:
            ask()
        assert caught.value.reason == "alias_not_found"


def test_an_alias_that_points_there_already_keeps_its_version(aliases: Aliases) -> None:
    first = aliases.set("embed", "v/a", variant_digest=DIGEST, expected="", **ADA)
    assert aliases.set("embed", "v/a", variant_digest=DIGEST[:8], expected=None, **ADA) == first
    assert aliases.set("embed", "v/a", expected=None, **ADA).version == 2, "another variant may be chosen now"
    assert [event.version for event in aliases.history("embed")] == [2, 1]


def test_followers_of_the_registry_see_every_change(aliases: Aliases, database: Database) -> None:
    before = database.change_token()
    aliases.set("embed", "v/a", expected="", **ADA)
    assert database.change_token() == before + 1


def test_of_those_who_move_an_alias_at_once_one_wins_each_time(aliases: Aliases) -> None:
    aliases.set("embed", "v/a", expected="", **ADA)
    won: list[str] = []
    barrier = threading.Barrier(4)

    def move(principal: str) -> None:
        """Each moves it on through the ring of models, five times, whoever else does."""
        mine = 0
        while mine < 5:
            current = aliases.get("embed").target
            following = MODELS[(MODELS.index(current) + 1) % len(MODELS)]
            try:
                aliases.set("embed", following, expected=current, principal=principal, reason="")
            except PreconditionError:
                continue
            mine += 1
            won.append(following)

    def start(principal: str) -> None:
        barrier.wait()
        move(principal)

    threads = [threading.Thread(target=start, args=(f"user {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = list(reversed(aliases.history("embed")))
    assert [event.version for event in events] == list(range(1, 22))
    assert len(won) == 20
    targets = [event.target_model for event in events]
    assert targets == [MODELS[number % 3] for number in range(21)], "a change was lost or made twice"
