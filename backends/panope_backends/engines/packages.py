"""Which packages are installed, asked without importing them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


def missing_reason(extra: str, *packages: str) -> str:
    """What to say of the packages, by the names they are imported by, that are not installed; empty when all are.

    Args:
        extra: of Panope's, that brings them.
        packages: that are needed.
    """
    missing = [f"`{package}`" for package in packages if find_spec(package) is None]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{', '.join(missing)} {verb} not installed: pip install 'panope-serving[{extra}]'"


def version_of(package: str) -> str:
    """The version of an installed package; empty when it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
