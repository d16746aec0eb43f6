"""How folders of models are laid out, and what the registry understands of them."""

from __future__ import annotations

import json
from pathlib import Path

from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import Inspection, inspect_files


def understand(folder: Path) -> Inspection:
    """What a folder's files say."""
    return inspect_files({file.path: file.source for file in list_folder(folder)})


def modules(*kinds: str, first: str = "") -> str:
    """A modules.json of these kinds, each but the first in its folder."""
    return json.dumps(
        [
            {
                "idx": n,
                "name": str(n),
                "path": f"{n}_{kind.rpartition('.')[2]}" if n else first,
                "type": kind if "." in kind else f"sentence_transformers.models.{kind}",
            }
            for n, kind in enumerate(kinds)
        ]
    )
