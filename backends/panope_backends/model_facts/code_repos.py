"""Code of other repos that a model asks for, as `auto_map` names it: `vendor/name--module.Class`.

A variant brings it along, in a folder beside the file that asks, so that nothing is fetched when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

FOLDER = "panope_code"
"""Holds the files of each repo in `vendor/name`."""

FORMAT = "code"
"""Of a variant that is nothing but code for other models."""

SEPARATOR = "--"


def folder_of(repo: str) -> PurePosixPath:
    """Where the code of a repo lies, beside the file that asks for it."""
    return PurePosixPath(FOLDER, repo)


def named_repos(auto_map: Any) -> frozenset[str]:
    """The other repos that an `auto_map` names."""
    values = auto_map.values() if isinstance(auto_map, Mapping) else [auto_map]
    targets = [target for value in values for target in (value if isinstance(value, list) else [value])]
    return frozenset(
        target.split(SEPARATOR)[0] for target in targets if isinstance(target, str) and SEPARATOR in target
    )
