"""`panope show`: everything that the registry knows of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_backends.errors import PanopeError
from panope_server.cli.models.bench import profile_text
from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import bytes_text, console, print_json
from panope_server.cli.output.tasks import task_text
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.models.types import ModelEntry, VariantEntry
    from panope_registry.serving_records.profiles import Profile
    from panope_registry.session import RegistrySession
    from panope_server.config import Settings

Candidates = dict[str, list[dict[str, str]]]


def show(
    model: Model,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Also each candidate to run it on this machine, best first, and why.")
    ] = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell everything that the registry knows of a model."""
    import asyncio

    settings = settings_for(home, config=config)
    with registry_session(settings) as session:
        entry = session.registry.model(model)
        measured = session.profiles.of_variants([variant.digest for variant in entry.variants])
        told = asyncio.run(_candidates(entry, session, settings)) if candidates else {}
    if json:
        document = model_document(entry)
        for variant in document["variants"]:
            variant["profiles"] = [asdict(each) for each in measured if each.variant_digest == variant["digest"]]
        print_json(document | told)
        return
    console.print(entry.name, style="bold")
    for line in (*_model_lines(entry), *_variants_lines(entry, measured), *_candidate_lines(told)):
        console.print(line, soft_wrap=True)


def model_document(entry: ModelEntry) -> dict[str, Any]:
    """The model for programs."""
    return {
        "name": entry.name,
        "task": entry.task,
        "task_candidates": list(entry.task_candidates),
        "architecture": entry.architecture,
        "created_at": entry.created_at.isoformat(),
        "source": entry.source,
        "revision": entry.ref,
        "commit": entry.commit,
        "reasons": dict(entry.reasons),
        "preferred_format": entry.preferred_format,
        "preferred_precision": entry.preferred_precision,
        "quantization_targets": list(entry.quantization_targets),
        "keep_alive_seconds": entry.keep_alive_seconds,
        "variants": [_variant_document(variant) for variant in entry.variants],
    }


def _variant_document(variant: VariantEntry) -> dict[str, Any]:
    return {
        "digest": variant.digest,
        "format": variant.format,
        "precision": variant.precision,
        "parameter_count": variant.parameter_count,
        "size_bytes": variant.size_bytes,
        "missing_bytes": variant.missing_bytes,
        "memory_bytes": variant.memory_bytes,
        "is_local": variant.is_local,
        "base_models": list(variant.base_models),
        "derived_from": variant.derived_from,
        "engine_version": variant.engine_version,
        "pinned": variant.pin is not None,
        "files": [{"path": f.path, "sha256": f.sha256, "size_bytes": f.size_bytes} for f in variant.files],
    }


def _model_lines(entry: ModelEntry) -> Iterator[str]:
    yield f"  task: {task_text(entry)}"
    yield f"  architecture: {entry.architecture or 'unknown'}"
    yield f"  from: {entry.source}{f' at {entry.ref}' if entry.ref else ''}, commit {entry.commit[:12]}"
    for what, reason in entry.reasons.items():
        yield f"  why {what}: {reason}"
    preferred = f"{entry.preferred_format} {entry.preferred_precision}".strip()
    for label, targets in (("preferred", preferred), ("to quantize to", ", ".join(entry.quantization_targets))):
        if targets:
            yield f"  {label}: {targets}"
    if entry.keep_alive_seconds is not None:
        yield f"  stays loaded unused: {keep_alive_text(entry.keep_alive_seconds)}"


def keep_alive_text(seconds: float) -> str:
    """How long a model stays loaded that nobody uses, for people."""
    return "for ever" if seconds < 0 else f"{timedelta(seconds=seconds)}"


def _variants_lines(entry: ModelEntry, measured: Sequence[Profile]) -> Iterator[str]:
    for variant in entry.variants:
        yield f"  variant {variant.format} {variant.precision}".rstrip() + f", {_extent(variant)}"
        yield f"    {variant.digest}"
        if variant.derived_from:
            yield f"    made of {variant.derived_from[:12]} by {variant.engine_version}"
        if variant.base_models:
            yield f"    an adapter of {', '.join(variant.base_models)}, whose files it has"
        if variant.pin:
            yield f"    pinned by {variant.pin.principal}{f': {variant.pin.reason}' if variant.pin.reason else ''}"
        for file in variant.files:
            yield f"    {file.path}  {bytes_text(file.size_bytes)}"
        for profile in measured:
            if profile.variant_digest == variant.digest:
                where = f"{profile.backend} {profile.device} in {profile.precision}"
                yield f"    measured on {where}: {profile_text(profile)}"


def _extent(variant: VariantEntry) -> str:
    """How large it is, on the disk and in memory, and how much of it is still to come."""
    told = [bytes_text(variant.size_bytes)]
    if variant.missing_bytes:
        told.append(f"{bytes_text(variant.missing_bytes)} of them not here")
    if variant.memory_bytes:
        told.append(f"takes {bytes_text(variant.memory_bytes)} of memory")
    return ", ".join(told)


def _candidate_lines(told: Candidates) -> Iterator[str]:
    for place, candidate in enumerate(told.get("candidates", ()), 1):
        yield f"  candidate {place}: {candidate['candidate']}: {candidate['reason']}"
    for candidate in told.get("rejected", ()):
        yield f"  rejected: {candidate['candidate']}: {candidate['reason']}"


async def _candidates(entry: ModelEntry, session: RegistrySession, settings: Settings) -> Candidates:
    """Each way to run a model here, best first, and what is none, with the reasons."""
    from panope_server.cli.load_planner import load_planner

    async with load_planner(settings, session) as planner:
        try:
            selection = await planner.selector.select(entry)
        except PanopeError as error:  # what is known of the model is shown all the same
            return {"candidates": [], "rejected": [{"candidate": "all", "reason": error.message}]}
    return {
        "candidates": [
            {"candidate": candidate.label, "reason": reason}
            for candidate, reason in zip(selection.candidates, selection.reasons, strict=True)
        ],
        "rejected": [{"candidate": rejection.label, "reason": rejection.reason} for rejection in selection.rejections],
    }
