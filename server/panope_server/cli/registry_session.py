"""The registry, the database and the store of a home, for commands that look into them."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from panope_backends.errors import InvalidInputError, PanopeError
from panope_server.cli.options import settings_for
from panope_server.cli.output import fail, note

if TYPE_CHECKING:
    from panope_registry.registry import Registry
    from panope_registry.store.store import Store
    from panope_registry.tables.database import Database


@contextmanager
def opened(home: str | None, config: Path | None) -> Iterator[tuple[Database, Store]]:
    """Opens both; what goes wrong in the block ends the command with a sentence, bad input with exit code 2."""
    from panope_registry.registry import Registry
    from panope_registry.store.store import Store
    from panope_registry.tables.database import Database, open_engine

    settings = settings_for(home, config=config)
    try:
        Registry.open(settings.database, settings.home_path).close()  # makes the tables if there are none
        database = Database(open_engine(settings.database))
        store = Store(settings.home_path / "store")
    except PanopeError as error:
        fail(error.message)
    try:
        yield database, store
    except InvalidInputError as error:
        fail(error.message, 2)
    except PanopeError as error:
        fail(error.message)
    finally:
        database.keep_reserve()
        database.close()


@contextmanager
def opened_registry(home: str | None, config: Path | None) -> Iterator[Registry]:
    """The registry of a home; what goes wrong in the block ends the command with a sentence."""
    from panope_server.app.registry_session import open_registry

    settings = settings_for(home, config=config)
    try:
        registry = open_registry(settings, _tell_grant)
    except PanopeError as error:
        fail(error.message)
    try:
        yield registry
    except PanopeError as error:
        fail(error.message)
    finally:
        registry.close()


def _tell_grant(_: str, facts: Mapping[str, object]) -> None:
    """In words, because a command keeps no log."""
    note(f"the setting `{facts['setting']}` lets in `{facts['model']}`")


def who_asks() -> str:
    """The user, for those who look later at what was done."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        return "unknown"
