"""From the registry's entries to views, and which of them are wanted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile

from panope_registry.models.types import ModelEntry, ModelFilter, VariantEntry
from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.models.keep_alive import lasting
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.status import ModelState, ModelView, PinView, ProfileView, VariantView
from panope_server.tasks.classify import ClassifySpec
from panope_server.tasks.embed import EmbedSpec
from panope_server.tasks.generate.types import GenerateSpec
from panope_server.tasks.text_spec import TextSpec
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec


def pick(
    entries: Mapping[str, ModelEntry], names: Sequence[str], only: ModelFilter, after: str, limit: int
) -> list[ModelEntry]:
    """The models that `Registry.models` would tell, of those that are known.

    Args:
        entries: by name.
        names: of the entries, in order.
        only: which are wanted.
        after: a name; only later ones are wanted.
        limit: how many are wanted at most.
    """
    start = max(bisect_right(names, after), bisect_left(names, only.prefix))
    wanted = takewhile(lambda name: name.startswith(only.prefix), islice(names, start, None))
    return list(islice((entries[name] for name in wanted if only.takes(entries[name])), limit))


def model_view(entry: ModelEntry, runtime: ModelRuntime | None, running: Sequence[ModelRuntime]) -> ModelView:
    """A model.

    Args:
        entry: of the registry.
        runtime: whose state is told; None for what never ran.
        running: whose instances are told.
    """
    view = ModelView(
        name=entry.name,
        task=entry.task,
        architecture=entry.architecture,
        state=ModelState.UNLOADED if runtime is None else runtime.state,
        state_reason="" if runtime is None else runtime.state_reason,
        created_at=entry.created_at,
        variants=tuple(variant_view(variant) for variant in entry.variants),
        instances=tuple(view for each in running for view in each.instance_views()),
        source=entry.source,
        commit=entry.commit,
        revision=entry.ref,
        preferred_format=entry.preferred_format,
        preferred_precision=entry.preferred_precision,
        quantization_targets=entry.quantization_targets,
        task_candidates=entry.task_candidates,
        reasons=entry.reasons,
        default_keep_alive_seconds=None if (kept := entry.keep_alive_seconds) is None else lasting(kept),
    )
    if runtime is None:
        return view
    embed = runtime.facts if isinstance(runtime.facts, EmbedSpec) else None
    generate = runtime.facts if isinstance(runtime.facts, GenerateSpec) else None
    classify = runtime.facts if isinstance(runtime.facts, ClassifySpec) else None
    text = runtime.facts if isinstance(runtime.facts, TextSpec) else None
    diffusion = runtime.facts if isinstance(runtime.facts, DiffusionSpec) else None
    return replace(
        view,
        embed=embed,
        text=text,
        diffusion=diffusion,
        generate=generate,
        classify=classify,
        inputs=runtime.inputs,
        outputs=runtime.outputs,
        breaker=runtime.breaker,
        activity=runtime.activity(),
    )


def variant_view(entry: VariantEntry) -> VariantView:
    """A variant."""
    pin = entry.pin
    return VariantView(
        digest=entry.digest,
        format=entry.format,
        precision=entry.precision,
        size_bytes=entry.size_bytes,
        is_local=entry.is_local,
        missing_bytes=entry.missing_bytes,
        memory_bytes=entry.memory_bytes,
        parameter_count=entry.parameter_count,
        derived_from=entry.derived_from,
        engine_version=entry.engine_version,
        base_models=entry.base_models,
        pin=None if pin is None else PinView(pin.principal, pin.reason, pin.created_at),
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
