"""From the registry's entries to views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from panope_registry.entries import VariantEntry
from panope_registry.profiles import Profile
from panope_server.runtime.views import ModelView, PinView, ProfileView, VariantView


def variant_view(entry: VariantEntry) -> VariantView:
    """A variant."""
    pin = entry.pin
    return VariantView(
        digest=entry.digest,
        format=entry.format,
        precision=entry.precision,
        size_bytes=entry.size_bytes,
        is_here=entry.is_here,
        missing_bytes=entry.missing_bytes,
        memory_bytes=entry.memory_bytes,
        parameter_count=entry.parameter_count,
        derived_from=entry.derived_from,
        engine_version=entry.engine_version,
        bases=entry.bases,
        pin=None if pin is None else PinView(pin.who, pin.reason, pin.created_at),
    )


def with_profiles(view: ModelView, profiles: Sequence[Profile]) -> ModelView:
    """The model with what was measured of its variants."""
    variants = tuple(
        replace(
            variant, profiles=tuple(_profile_view(each) for each in profiles if each.variant_digest == variant.digest)
        )
        for variant in view.variants
    )
    return replace(view, variants=variants)


def _profile_view(profile: Profile) -> ProfileView:
    return ProfileView(**{name: getattr(profile, name) for name in ProfileView.__dataclass_fields__})
