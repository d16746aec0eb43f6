"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.output.console import fail

if TYPE_CHECKING:
    from panope_server.config import Settings

NAME_FORM = "VENDOR/NAME or NAME"
"""How names of models and aliases are written."""

Model = Annotated[str, typer.Argument(help=f"The model, as {NAME_FORM}.")]
Home = Annotated[str | None, typer.Option("--home", help="The folder of the registry, the store and the logs.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Task = Annotated[
    list[str] | None, typer.Option("--task", help="What it is for, where its files do not tell; may be repeated.")
]
KEEP_ALIVE = "--keep-alive"
KeepAlive = Annotated[
    str,
    typer.Option(
        KEEP_ALIVE,
        help="How long it stays loaded unused, such as 300 or 5m; -1 for ever, 0 until a call has ended.",
    ),
]
Base = Annotated[
    str,
    typer.Option("--base", help="Of an adapter, the model that it changes, by its name here; its files name one too."),
]
Images = Annotated[
    list[Path] | None,
    typer.Option("--image", exists=True, dir_okay=False, help="An image, a file, in the place of texts; repeatable."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="The server's gRPC address; by default this machine's, from the settings."),
]
Hardware = Annotated[
    str,
    typer.Option(
        "--hardware",
        help="Backends that may run it, the most wanted first, such as `openvino,cpu`; `any` last for what serves.",
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The settings file; `panope.toml` in the working folder by default.")
]


def check_either(texts: Sequence[str] | None, images: Sequence[Path] | None, *others: str) -> None:
    """Refuses a command that names neither texts nor images, or both.

    Args:
        texts: that the command was given.
        images: that it was given.
        others: options of the command that would have stood in the place of both.
    """
    if texts and images:
        raise typer.BadParameter("goes with no texts", param_hint="--image")
    if not texts and not images:
        options = " or ".join(", ".join(("--image", *others)).rsplit(", ", 1))
        raise typer.BadParameter(f"give texts, or a file by {options}", param_hint="TEXTS")


def settings_for(
    home: str | None = None, *, config: Path | None = None, assignments: Sequence[str] = (), **flags: object
) -> Settings:
    """The settings of this command; ends it with a clear sentence when one is wrong."""
    from panope_server.config import SettingsError, load_settings

    try:
        return load_settings(file=config, flags={"home": home, **flags}, assignments=assignments)
    except SettingsError as error:
        fail(str(error), 2)


API_KEY_VARIABLE = "PANOPE_API_KEY"


def api_key() -> str:
    """The key of commands that call a server: the variable `PANOPE_API_KEY`, for options are seen by other users."""
    return os.environ.get(API_KEY_VARIABLE, "").strip()


def address_for(address: str | None, home: str | None = None, config: Path | None = None) -> str:
    """The server's gRPC address; where it speaks TLS, its own socket on this machine, which needs no certificate."""
    if address:
        return address
    settings = settings_for(home, config=config)
    if settings.tls.is_on:
        from panope_server.app.edge import GRPC_SOCKET
        from panope_server.runtime.home import running_folder

        folder = running_folder(settings.home_path)
        return f"unix:{folder or settings.home_path}/{GRPC_SOCKET}"
    return f"{settings.host}:{settings.grpc_port}"
