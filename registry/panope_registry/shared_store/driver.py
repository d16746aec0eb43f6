"""Whether the package that speaks to buckets is installed."""

from __future__ import annotations

from importlib.util import find_spec

from panope_backends.errors import PreconditionError

DRIVER = "obstore"


def check_driver() -> None:
    """Finds out early whether a shared store could be opened here.

    Raises:
        PreconditionError: the package `obstore` is not installed (`driver_not_installed`).
    """
    if find_spec(DRIVER) is None:
        raise no_driver()


def no_driver() -> PreconditionError:
    """Returns the error that names what is missing."""
    return PreconditionError(f"a shared store in S3 needs the package `{DRIVER}`", reason="driver_not_installed")
