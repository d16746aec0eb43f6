"""Commands that look at this machine."""

from __future__ import annotations

import asyncio
from typing import Any

from panope_backends.errors import PanopeError
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table


def version() -> None:
    """Print the version."""
    from panope_server.observability.metrics import panope_version

    console.print(panope_version(), highlight=False)


def hardware(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the devices that backends can use."""
    from panope_server.runtime.placement.hardware import Hardware

    settings = settings_for(home, config=config)
    try:
        devices = asyncio.run(Hardware.for_settings(settings).probe()).devices
    except PanopeError as error:
        fail(error.message)
    if json:
        print_json(devices)
        return
    rows = (
        (
            f"{device.backend} {device.name}",
            device.description,
            bytes_text(device.memory_bytes),
            ", ".join(device.precisions),
            device.reason or "available",
        )
        for device in devices
    )
    print_table(("DEVICE", "DESCRIPTION", "MEMORY", "PRECISIONS", "STATE"), rows, empty="no devices")


def doctor(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell what is installed, which devices and ports there are, and what would be chosen for each model and why."""
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
        mark = "[green]ok[/]  " if finding["ok"] else "[red]bad[/] "
        console.print(f"{mark}{finding['what']}: {finding['detail']}", highlight=False)
