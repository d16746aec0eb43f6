"""Which precision to compute in."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import PreconditionError


def choose_precision(requested: str, native: Sequence[str], where: str) -> str:
    """The requested precision when it is computed natively; without a request the fastest.

    An emulated precision is refused rather than run: OpenVINO accepts bf16 on every processor and then needs 40 times
    as long as in fp32.

    Args:
        requested: empty for none.
        native: fastest first.
        where: the backend and the device, for the message.

    Raises:
        PreconditionError: naming the precision and those there are.
    """
    if not requested:
        return native[0]
    if requested not in native:
        known = ", ".join(native)
        raise PreconditionError(
            f"{where} cannot compute in precision `{requested}`; it has: {known}", reason="unsupported_precision"
        )
    return requested
