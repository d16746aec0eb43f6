"""Finds backends by name, the installed ones by entry point, any other as `package.module:Class`; and names of tasks.

Only the backend that is asked for is imported: engines are large, and a broken one must not stop the others.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from importlib.metadata import EntryPoint, entry_points

from panope_backends.api import API_VERSION, OLDEST_API_VERSION, Backend
from panope_backends.errors import PreconditionError

GROUP = "panope.backends"

#: The group of entry points by which a package brings the worker's side of a task.
TASK_GROUP = "panope.tasks"


def installed_task_names() -> list[str]:
    """The names of the tasks that packages bring, sorted; nothing is imported."""
    return sorted({point.name for point in entry_points(group=TASK_GROUP)})


def backend_names() -> list[str]:
    """The names of the installed backends, sorted; nothing is imported."""
    return sorted(_installed())


def backend_version(name: str) -> str:
    """The version of the package that brings a backend; empty for one given as `package.module:Class`."""
    found = _installed().get(name, [])
    return found[0].dist.version if found and found[0].dist else ""


def load_backend(name: str) -> Backend:
    """Imports and creates one backend.

    Args:
        name: of an installed backend, or `package.module:Class` for one that is importable without being registered.

    Raises:
        PreconditionError: there is none of this name, two packages claim it, what it names is not a backend, or it was
            written for a version of the contract that this Panope does not run.
        ImportError: the backend's module, or something that it needs, is not there.
    """
    kind = _import(name) if ":" in name else _registered(name).load()
    if not (isinstance(kind, type) and issubclass(kind, Backend)):
        raise PreconditionError(f"`{name}` is not a backend", reason="unknown_backend")
    _require_api_version(name, kind)
    _require_members(name, kind)
    return kind()


def _require_members(name: str, kind: type[Backend]) -> None:
    lacking = [f"method `{each}`" for each in sorted(kind.__abstractmethods__)]
    if not isinstance(getattr(kind, "name", None), str):
        lacking.append("attribute `name`, a text")
    if lacking:
        told = f"`{name}` is not a backend: it lacks the {' and the '.join(lacking)}"
        raise PreconditionError(told, reason="unknown_backend")


def _require_api_version(name: str, kind: type[Backend]) -> None:
    runs = f"{OLDEST_API_VERSION} to {API_VERSION}" if OLDEST_API_VERSION < API_VERSION else f"{API_VERSION}"
    version: object = getattr(kind, "api_version", None)
    if not isinstance(version, int) or isinstance(version, bool):
        problem = "does not say as `api_version` which version of the backend contract it was written for"
        advice = f"this Panope runs {runs}"
    elif version > API_VERSION:
        problem = f"was written for version {version} of the backend contract"
        advice = f"this Panope runs {runs}; install a newer Panope"
    elif version < OLDEST_API_VERSION:
        problem = f"was written for version {version} of the backend contract"
        advice = f"this Panope runs {runs}; install a newer version of the backend"
    else:
        return
    raise PreconditionError(f"the backend `{name}` {problem}; {advice}", reason="unsupported_api_version")


def _registered(name: str) -> EntryPoint:
    installed = _installed()
    claims = installed.get(name)
    if claims is None:
        known = ", ".join(sorted(installed)) or "none"
        raise PreconditionError(f"there is no backend `{name}`; installed: {known}", reason="unknown_backend")
    if len(claims) > 1:
        packages = ", ".join(sorted(claim.dist.name if claim.dist else claim.value for claim in claims))
        raise PreconditionError(f"several packages register a backend `{name}`: {packages}", reason="duplicate_backend")
    return claims[0]


def _installed() -> dict[str, list[EntryPoint]]:
    """Every claim to a name; a package that is found twice on the path claims once."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for point in entry_points(group=GROUP):
        package = point.dist.name if point.dist else ""
        found[point.name].setdefault((package, point.value), point)
    return {name: list(claims.values()) for name, claims in found.items()}


def _import(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise PreconditionError(f"module `{module}` has no `{attribute}`", reason="unknown_backend") from None
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # the module is there; something that it needs is not
        raise PreconditionError(f"there is no module `{module}`", reason="unknown_backend") from None
