"""The registry of a home, for commands that need no server."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from panope_backends.errors import InvalidInputError, PanopeError
from panope_server.cli.output.console import note
from panope_server.cli.output.errors import fail_with
from panope_server.config import Settings

if TYPE_CHECKING:
    from panope_registry.session import RegistrySession


@contextmanager
def registry_session(settings: Settings) -> Iterator[RegistrySession]:
    """Opens the registry for the block; an error ends the command with a sentence, bad input with exit code 2."""
    from panope_server.app.registry_session import open_registry_session

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


def user_name() -> str:
    """The user who runs the command, for the record of what was done."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have no name
        return "unknown"


def _note_grant(_: str, facts: Mapping[str, object]) -> None:
    """In words, because a command keeps no log."""
    note(f"the setting `{facts['setting']}` lets in `{facts['model']}`")
