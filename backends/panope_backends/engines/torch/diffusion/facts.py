"""What a pipeline's model_index.json and diffusers' own maps tell, without importing diffusers."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.packages import missing_reason

IMAGES, VIDEOS = "image-generation", "video-generation"

TASKS = (IMAGES, VIDEOS)
"""Of models that draw."""

CLASS = "_class_name"

#: Of diffusers' maps of pipelines, by what they begin from: how each ends.
_MAPS = {
    IMAGES: {"text": "TEXT2IMAGE", "image": "IMAGE2IMAGE", "mask": "INPAINT"},
    VIDEOS: {"text": "TEXT2VIDEO", "image": "IMAGE2VIDEO"},
}

_LIBRARIES = frozenset({"diffusers", "transformers"})

MAX_NAME = 64
"""Longer than any class's name."""


def draws(model: ModelFacts) -> bool:
    """Whether a model is one of those that draw."""
    return model.task in TASKS


def diffusion_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_pipeline` can work."""
    if missing := missing_reason("diffusion", "diffusers", "PIL", "ftfy"):
        return Support(Level.NONE, missing)
    if model.format != "safetensors":
        return Support(Level.NONE, f"pipelines are run from safetensors, not from `{model.format}`")
    name = model.config.get(CLASS)
    if not isinstance(name, str) or not name:
        return Support(Level.NONE, "model_index.json names no pipeline of diffusers", is_final=True)
    if not begins_from(name, model.task):
        return Support(
            Level.NONE,
            f"the pipeline {name[:MAX_NAME]!r} is none that diffusers lists for the task {model.task}",
            is_final=True,
        )
    if refusal := _kind_refusal(name) or _parts_refusal(model.config):
        return Support(Level.NONE, refusal, is_final=True)
    return Support(Level.FULL, f"diffusers runs the pipeline {name}")


def begins_from(pipeline: str, task: str) -> frozenset[str]:
    """What a pipeline of a name can begin from, by diffusers' maps; empty where none of them has it."""
    return frozenset(kind for kind, names in _mapped(task).items() if pipeline in names)


def parts_of(config: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The library and the class of each part that model_index.json names, but for those that are left out.

    Raises:
        ValueError: a part has another form.
    """
    found = {}
    for name, value in config.items():
        if name.startswith("_") or not isinstance(value, list):
            continue  # a setting of the pipeline
        if value == [None, None]:
            continue
        if not (name.isidentifier() and len(value) == 2 and all(isinstance(each, str) for each in value)):
            raise ValueError(name)
        found[name] = (value[0], value[1])
    return found


def _kind_refusal(name: str) -> str:
    if "Control" in name:
        return f"the pipeline {name} needs more than a text: an image that says where things are"
    if "Combined" in name:
        return f"the pipeline {name} is made of several pipelines, whose steps cannot be told"
    return ""


def _parts_refusal(config: Mapping[str, Any]) -> str:
    try:
        parts = parts_of(config)
    except ValueError as error:
        return f"model_index.json says of the part {str(error)[:MAX_NAME]!r} no library and class"
    for name, (library, kind) in parts.items():
        if library not in _LIBRARIES and not _has_folder(library):
            # diffusers would import whatever is installed under that name, or the model's own file.
            return f"the part `{name}` is of {library[:MAX_NAME]!r}, which is neither diffusers nor transformers"
        if not kind.isidentifier():
            return f"the part `{name}` names no class"
    return ""


def _has_folder(name: str) -> bool:
    """Whether a module of this name is one of diffusers' pipelines, whose own parts are named so."""
    package = _package()
    return package is not None and name.isidentifier() and (package / "pipelines" / name / "__init__.py").is_file()


@cache
def _mapped(task: str) -> Mapping[str, frozenset[str]]:
    package = _package()
    file = package / "pipelines" / "auto_pipeline.py" if package else None
    if file is None or not file.is_file():
        return {}
    maps = dict(_maps_in(file))
    ends = _MAPS.get(task, {})
    return {kind: maps.get(f"AUTO_{end}_PIPELINES_MAPPING", frozenset()) for kind, end in ends.items()}


def _maps_in(file: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """Each map of a source file with the names of its classes: importing all of them takes six seconds."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            pairs = (each for each in ast.walk(node.value) if isinstance(each, ast.Tuple))
            classes = (pair.elts[-1] for pair in pairs if pair.elts)
            yield node.targets[0].id, frozenset(each.id for each in classes if isinstance(each, ast.Name))


def _package() -> Path | None:
    spec = importlib.util.find_spec("diffusers")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent
