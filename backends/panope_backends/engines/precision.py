"""Which precision to compute in."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import PreconditionError


def choose_precision(wished: str, native: Sequence[str], where: str) -> str:
    """The wished precision when it is computed natively; without a wish the fastest.

    An emulated precision is refused rather than run: OpenVINO accepts bf16 on every processor and then needs 40 times
    as long as in fp32.

    Args:
        wished: empty for no wish.
        native: fastest first.
        where: the backend and the device, for the message.

    Raises:
        PreconditionError: naming the precision and those there are.
    """
    if not wished:
        return native[0]
    if wished not in native:
        known = ", ".join(native)
        raise PreconditionError(
            f"{where} cannot compute in precision `{wished}`; it has: {known}", reason="unsupported_precision"
        )
    return wished
