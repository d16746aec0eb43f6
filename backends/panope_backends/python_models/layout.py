"""Where the code of a Python model lies in its folder: Triton's `config.pbtxt` and `1/model.py`, or a skill's file."""

from __future__ import annotations

import re
from collections.abc import Collection

FORMAT = "python"
"""Of variants that are code."""

CONFIG_FILE = "config.pbtxt"
"""Triton's, beside the folders of versions."""

MODEL_FILE = "model.py"
"""In the folder of a version, unless config.pbtxt names another."""

SKILL_PREFIX = "hf_"
"""How the files of skills begin, and the names of their classes."""

_VERSIONED = re.compile(r"([1-9][0-9]{0,17})/([^/]+)")


def version_of(paths: Collection[str], named: str = "") -> int:
    """The highest version that has the model's file; 0 when none has.

    Args:
        paths: of all files, relative.
        named: the file that config.pbtxt names (`default_model_filename`); empty for `model.py`.
    """
    matches = (_VERSIONED.fullmatch(path) for path in paths)
    return max((int(match[1]) for match in matches if match and match[2] == (named or MODEL_FILE)), default=0)


def skill_files(paths: Collection[str]) -> list[str]:
    """The files that are skills by their names, beside the configuration."""
    return sorted(path for path in paths if path.startswith(SKILL_PREFIX) and path.endswith(".py") and "/" not in path)
