"""A model's folder as transformers is given it, where its configuration asks for the code of other repos.

transformers would fetch that code from the hub. A variant has brought it (`panope_backends.model_facts.code_repos`), so
the configuration is made to name where it lies.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.code_repos import SEPARATOR, folder_of, named_repos

_CONFIG = "config.json"


def beside_code(folder: Path, scratch: Path) -> Path:
    """The folder to load a model from: its own, or one of links with a configuration that names the code's place.

    Args:
        folder: of the model.
        scratch: a folder of this process's own, without `--` in its path, that lives as long as the model.

    Raises:
        PreconditionError: the code of a repo is not among the model's files.
    """
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    repos = named_repos(config.get("auto_map"))
    if not repos:
        return folder
    view = scratch / "model"
    view.mkdir()
    for path in folder.iterdir():
        if path.name != _CONFIG:
            (view / path.name).symlink_to(path.absolute())
    places: dict[str, Path] = {}
    for number, repo in enumerate(sorted(repos)):
        code = folder / folder_of(repo)
        # A name may say `..`; what it then names is no part of the variant.
        if ".." in Path(repo).parts or not code.is_dir():
            raise PreconditionError(
                "config.json asks for code of another repo (`auto_map`), which is not among the model's files; "
                "register the model again",
                reason="missing_file",
            )
        places[repo] = scratch / f"code{number}"
        places[repo].symlink_to(code.absolute())
    config["auto_map"] = _placed(config["auto_map"], places)
    (view / _CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return view


def _placed(value: Any, places: dict[str, Path]) -> Any:
    """An `auto_map` whose repos are folders."""
    if isinstance(value, dict):
        return {key: _placed(each, places) for key, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, places) for each in value]
    repo, found, target = str(value).partition(SEPARATOR)
    return f"{places[repo]}{SEPARATOR}{target}" if found and repo in places else value
