"""Asks the embed task what it makes of a model's files, so that what it would refuse at a load is refused at import.

The task reads folders; here the model's small files are laid out as links, wherever their bytes are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from panope_backends.model_facts.routers import ROUTER
from panope_backends.model_facts.word_tables import WORD_TABLES
from panope_registry.inspect.file_bytes import Header

#: More than any file that describes a model; vocabularies are larger, and not read here.
_MOST_BYTES = 16 << 20

#: Modules that are a model's encoder by themselves, and those that load a class of transformers'.
_OWN = WORD_TABLES | {"StaticEmbedding"}
_ENCODERS = _OWN | {"Transformer", "MLMTransformer", "CLIPModel"}


def refuse_undescribed(files: Mapping[str, Header], *, pickles: bool = False) -> None:
    """Reads what sentence-transformers' files say, as a worker does.

    Args:
        files: relative path -> where the bytes are.
        pickles: whether an admin lets pickled weights be opened when the model is loaded.

    Raises:
        PreconditionError: they ask for what Panope cannot do, or lack what they name; the message names the file.
    """
    from panope_backends.tasks.embed.files.config_files import (
        read_embed_files,  # NumPy comes with them, and few commands import models
    )
    from panope_backends.tasks.embed.head import check_head

    with tempfile.TemporaryDirectory(prefix="panope-import-") as folder:
        root = Path(folder)
        for path, file in files.items():
            if isinstance(file, Path) and _is_asked_for(path, file):
                link = root / path
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.absolute())
        found = read_embed_files(root)
        for words in [way.words for way in found.ways if way.words is not None]:
            listed = files.get(str(words.path.relative_to(root)))
            # A list that is elsewhere, or longer than is read here, the load checks.
            if listed is None or (isinstance(listed, Path) and _is_asked_for(words.path.name, listed)):
                words.read()
        steps = [step for way in found.ways for step in way.steps]
        places = [PurePosixPath(step.folder.relative_to(root)) for step in steps]
        weights = [next((files[path] for path in _weights(place) if path in files), None) for place in places]
        # Of weights that are elsewhere nothing but their names is known.
        if all(file is None or isinstance(file, Path) for file in weights):
            check_head(steps, pickles=pickles)


def encoder_folders(modules: Any) -> list[str]:
    """Returns the folders of transformers, and of tables in their place, the transformers first; empty for the root."""
    found = [(kind in _OWN, folder) for kind, folder in map(_placed, modules) if kind in _ENCODERS]
    return list(dict.fromkeys(folder for _, folder in sorted(found, key=lambda each: each[0])))


def transformer_folder(modules: Any) -> str:
    """Returns the folder that the transformer, or the table in its place, is loaded from; empty for the root."""
    return next(iter(encoder_folders(modules)), "")


def own_class(modules: Any) -> str:
    """Returns what a model's encoder is called where that is no class of transformers; empty where it is one.

    It is the module of modules.json that is an encoder by itself, or a Router whose routes have several encoders.
    """
    if len(encoder_folders(modules)) > 1:
        return ROUTER
    kind, _ = _placed(next(iter(modules), {}))
    return kind if kind in _OWN else ""


def _placed(module: Any) -> tuple[str, str]:
    """Returns the class and the folder of a module."""
    folder = str(module.get("path", ""))
    return str(module.get("type", "")).rpartition(".")[2], "" if folder == "." else folder.strip("/")


def step_folders(modules: Any) -> frozenset[str]:
    """Returns the folders of the steps after the transformer."""
    named = {path for module in modules if isinstance(path := module.get("path"), str) and path.strip("/")}
    return frozenset(named - {transformer_folder(modules), "."})


def _weights(place: PurePosixPath) -> tuple[str, str]:
    """Returns where the weights of a step may lie, the safer first."""
    return str(place / "model.safetensors"), str(place / "pytorch_model.bin")


def _is_asked_for(path: str, file: Path) -> bool:
    """JSON, and the weights of steps after the transformer, which lie in folders of their own."""
    return (path.endswith(".json") and file.stat().st_size <= _MOST_BYTES) or (
        path.endswith(("/model.safetensors", "/pytorch_model.bin"))
    )
