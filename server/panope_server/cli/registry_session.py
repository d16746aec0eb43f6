"""The registry of a home, for commands that need no server."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from panope_backends.errors import InvalidInputError, PanopeError
from panope_server.cli.output.console import fail, note
from panope_server.cli.output.errors import fail_with

if TYPE_CHECKING:
    from panope_registry.session import RegistrySession
    from panope_server.config import Settings

NO_HOME = "{home} is no home of Panope yet: `panope import` and `panope pull` begin one; `--home` names another"


@contextmanager
def registry_session(settings: Settings, *, create: bool = False) -> Iterator[RegistrySession]:
    """Opens the registry for the block; an error ends the command with a sentence, bad input with exit code 2.

    Args:
        settings: of the home.
        create: whether the command may begin a home; others end where there is none.
    """
    from panope_server.app.registry_session import open_registry_session

    if not create and not is_home(settings):
        fail(NO_HOME.format(home=settings.home_path))
    try:
        session = open_registry_session(settings, _note_grant)
    except PanopeError as error:
        fail_with(error)
    with session:
        try:
            yield session
        except InvalidInputError as error:
            fail_with(error, 2)
        except PanopeError as error:
            fail_with(error)
        finally:
            session.database.keep_reserve()  # the command may have made room on a disk that was full


def is_home(settings: Settings) -> bool:
    """Whether something has begun the home: whoever opens a registry makes the store in it."""
    return (settings.home_path / "store").is_dir() or (settings.home_path / "registry.sqlite3").is_file()


def user_name() -> str:
    """The user who runs the command, for the record of what was done."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        return "unknown"


def _note_grant(_: str, facts: Mapping[str, object]) -> None:
    """In words, because a command keeps no log."""
    note(f"the setting `{facts['setting']}` lets in `{facts['model']}`")
