"""What was measured of how much a candidate agrees with the reference; docs/decisions/0502 says what that is."""

from __future__ import annotations

from panope_registry.serving_records.profiles import Profile

AGREEMENT, LEAST, REFERENCE = "agreement", "least_agreement", "reference"
"""Under which a measurement's details keep how much its answers agree, 0 to 1; how much they must; and with whose."""


def agreement_of(profile: Profile) -> float | None:
    """How much its answers agree with the reference's, 0 to 1; None where nobody compared them."""
    found = profile.details.get(AGREEMENT)
    return None if found is None else float(found)


def agrees(profile: Profile) -> bool:
    """Whether its answers are as good as the reference's, as far as anybody knows."""
    found = agreement_of(profile)
    return found is None or found >= float(profile.details.get(LEAST, 0.0))


def disagreement_text(profile: Profile) -> str:
    """Why what was measured is never chosen."""
    reference = profile.details.get(REFERENCE) or "the reference"
    return (
        f"it was measured to answer otherwise than {reference}: they agree by {agreement_of(profile) or 0.0:.2f}, and "
        f"{float(profile.details.get(LEAST, 0.0)):.2f} is the least; `panope bench` measures again"
    )
