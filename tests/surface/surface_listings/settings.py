"""Settings: key, variable, what a value may be, and the default; then the names that were."""

from __future__ import annotations

from panope_server.config import settings_of
from panope_server.config.renamed import RENAMED
from panope_server.config.settings import kinds_of
from panope_server.config.value_words import default_words, words


def listing() -> str:
    """Every setting by its key, then what was renamed."""
    kinds = dict(kinds_of())
    lines = []
    for setting in sorted(settings_of(), key=lambda setting: setting.dotted):
        default = default_words(setting.default) or "none"
        lines.append(f"{setting.dotted} {setting.variable}: {words(kinds[setting.dotted])}; default {default}")
    renamed = [f"{old} -> {new}" for old, new in sorted(RENAMED.items())]
    return "\n".join([*lines, "", "renamed:", *renamed]) + "\n"
