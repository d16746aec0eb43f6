"""Commands that look at this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from panope_backends.errors import PanopeError
from panope_server.cli.machine.devices import names_nothing, print_devices
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import console, fail, note, print_json


def version() -> None:
    """Print the version."""
    from panope_server.observability.metrics import panope_version

    console.print(panope_version())


Refresh = Annotated[bool, typer.Option("--refresh", help="Ask the backends again, whatever they said before.")]


def hardware(home: Home = None, json: Json = False, refresh: Refresh = False, config: ConfigFile = None) -> None:
    """List the devices that backends can use, and why others are missing and what would help."""
    import asyncio

    from panope_server.runtime.hardware.hardware import Hardware

    looked = Hardware.for_settings(settings_for(home, config=config))
    try:
        probe = asyncio.run(looked.probe(refresh=refresh))
    except PanopeError as error:
        fail(error.message)
    for setting, name in looked.unknown_overrides(probe):
        note(f"`{setting}` {names_nothing(name)}")
    if json:
        print_json(probe.devices)
    else:
        print_devices(probe.devices)


def doctor(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell what is installed, which devices and ports there are, and what would be chosen for each model and why."""
    import asyncio

    from panope_server.cli.machine.doctor import examine

    report = asyncio.run(examine(settings_for(home, config=config)))
    if json:
        print_json(report)
    else:
        _print_report(report)
    if any(not finding["ok"] for finding in report["findings"]):
        raise SystemExit(1)


def _print_report(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        mark = ("ok  ", "green") if finding["ok"] else ("bad ", "red")
        console.print(Text.assemble(mark, f"{finding['what']}: {finding['detail']}"))
