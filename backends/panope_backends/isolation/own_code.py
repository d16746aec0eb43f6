"""What a program does before it runs a model's own Python files: it gives up the network, without a grant for that."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_backends.isolation.no_network import NETWORK, REASON, deny_network, refusal
from panope_backends.python_models.layout import FORMAT

REMOTE_CODE = "remote_code"


def prepare_for_own_code(folder: Path, grants: Collection[str], format: str) -> bool:  # noqa: A002 - the word for it
    """Denies this process the network for good where it may come to run files of the model.

    Args:
        folder: of the variant's files; Python is among them for models with a grant alone.
        grants: that the model has.
        format: of the variant.

    Returns:
        Whether it may come to run some.

    Raises:
        PreconditionError: the network cannot be denied here.
    """
    if REMOTE_CODE not in grants or not (format == FORMAT or any(folder.rglob("*.py"))):
        return False
    if reason := refusal(grants):
        raise PreconditionError(reason, reason=REASON)
    if NETWORK not in grants:
        deny_network()
    return True
