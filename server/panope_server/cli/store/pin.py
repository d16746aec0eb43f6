"""Commands that keep models in the store, whether they are used or not, and let them go again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import console, print_json
from panope_server.cli.registry_session import registry_session, user_name

Variant = Annotated[
    str, typer.Option("--variant", help="Only this variant, by its digest's first digits; all of them when not given.")
]


def pin(
    model: Model,
    variant: Variant = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for people.")] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Keep a model's files: nothing evicts or deletes them until `panope unpin`."""
    _set(model, variant, home, config, json=json, reason=reason)


def unpin(
    model: Model, variant: Variant = "", home: Home = None, json: Json = False, config: ConfigFile = None
) -> None:
    """Let a pinned model's files go again when room is needed."""
    _set(model, variant, home, config, json=json, reason=None)


def _set(model: str, variant: str, home: str | None, config: Path | None, *, json: bool, reason: str | None) -> None:
    """Pins for a reason; unpins without one."""
    from panope_registry.models.variant_digest import find_variant

    action = "models.unpin" if reason is None else "models.pin"
    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), action, model),
    ):
        entry = session.registry.model(model)
        variants = [find_variant(entry, variant)] if variant else list(entry.variants)
        if reason is None:
            variants = [chosen for chosen in variants if chosen.pin is not None]
        for chosen in variants:
            if reason is None:
                session.retention.unpin(chosen.digest)
            else:
                session.retention.pin(chosen.digest, principal=user_name(), reason=reason)
    if json:
        print_json({"model": model, "pinned": reason is not None, "variants": [chosen.digest for chosen in variants]})
        return
    names = ", ".join(f"{chosen.format} {chosen.precision}".strip() for chosen in variants)
    if not names:
        console.print(f"{model}: {'nothing of it was pinned' if reason is None else 'it has no variants'}")
        return
    console.print(f"{'unpinned' if reason is None else 'pinned'} {model}: {names}")
