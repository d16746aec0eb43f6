"""Commands that keep models in the store, whether they are used or not, and let them go again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output import console, print_json
from panope_server.cli.registry_session import opened, who_asks

Model = Annotated[str, typer.Argument(help="VENDOR/NAME.")]
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
    from panope_server.app.registry_session import open_registry, retention_for

    settings = settings_for(home, config=config)
    with opened(home, config) as (database, store):
        retention = retention_for(settings, database, store)
        registry = open_registry(settings)
        try:
            entry = registry.model(model)
        finally:
            registry.close()
        found = [find_variant(entry, variant)] if variant else list(entry.variants)
        for each in found:
            if reason is None:
                retention.unpin(each.digest)
            else:
                retention.pin(each.digest, who=who_asks(), reason=reason)
    if json:
        print_json({"model": model, "pinned": reason is not None, "variants": [each.digest for each in found]})
        return
    told = ", ".join(f"{each.format} {each.precision}".strip() for each in found) or "it has no variants"
    console.print(f"{'unpinned' if reason is None else 'pinned'} [bold]{model}[/]: {told}", highlight=False)
