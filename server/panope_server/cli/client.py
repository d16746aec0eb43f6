"""The client by which commands ask a running server, and what they say when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from panope_server.cli.loading_notes import loading_noted
from panope_server.cli.options import API_KEY_VARIABLE, address_for, api_key
from panope_server.cli.output.console import fail

if TYPE_CHECKING:
    from panope_client import Client, PanopeClientError

#: What gRPC says when a server is gone that had taken the call: it was told to stop, or it died.
_CUT = ("Cancelling all calls", "Socket closed", "Connection reset", "GOAWAY")

#: Of a call, and of one whose model may have to be converted first: as long as `panope load` waits.
_USUAL_SECONDS, _LOADING_SECONDS = 60.0, 600.0


@contextmanager
def client_at(address: str | None, hardware: str = "", *, seconds: float = _USUAL_SECONDS) -> Iterator[Client]:
    """A client for the block; an error of the server ends the command with its sentence.

    Args:
        address: of the server; None for that of the settings.
        hardware: the backends that calls may run on, with commas between them; empty leaves it to the server.
        seconds: that a call may take.
    """
    from panope_client import Client, PanopeClientError, on_hardware

    names = [name.strip() for name in hardware.split(",")] if hardware else []
    try:
        with Client(address_for(address), api_key=api_key(), timeout=seconds) as client, on_hardware(*names):
            yield client
    except PanopeClientError as error:
        fail_with(error, address_for(address))


@contextmanager
def client_for(model: str, address: str | None, hardware: str = "") -> Iterator[Client]:
    """As `client_at`, for calls that run a model: the first may wait until it is loaded, and what for is told."""
    noted = loading_noted(address_for(address), model, until_served=True)
    with client_at(address, hardware, seconds=_LOADING_SECONDS) as client, noted:
        yield client


def is_nobody(error: PanopeClientError) -> bool:
    """Whether nobody answers, rather than a server that says why it cannot or that was lost while it answered."""
    return error.code.name == "UNAVAILABLE" and not error.reason and not _was_cut(error)


def _was_cut(error: PanopeClientError) -> bool:
    return error.code.name == "UNAVAILABLE" and not error.reason and any(sign in error.message for sign in _CUT)


def sentence_of(error: PanopeClientError, address: str) -> str:
    """What went wrong, for a person."""
    if _was_cut(error):
        return f"the server at {address} ended the call before its answer did, as one does that is stopped"
    if is_nobody(error):
        return f"no server answers at {address}; `panope serve` starts one, and `--address` names another"
    if error.code.name == "UNAUTHENTICATED":
        return (
            f"the server at {address} needs a valid API key; `panope` takes it from the variable `{API_KEY_VARIABLE}`"
        )
    return error.message


def fail_with(error: PanopeClientError, address: str) -> NoReturn:
    """Ends the command with what went wrong."""
    fail(sentence_of(error, address))
