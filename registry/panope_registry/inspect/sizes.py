"""Sizes in a model's files that no model has, refused at import: what is built by them takes all memory there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.config_sizes import check_sizes
from panope_registry.inspect.documents import read_object
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.model_documents import ModelDocuments
from panope_registry.inspect.weights import WeightSet

#: Say to which size images are brought; the newer has it in a part.
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_PART = "image_processor"

#: The keys of sizes in them.
_SIDES = ("size", "crop_size", "pad_size", "image_size")

#: A side of an image that models take is shorter.
_MOST_SIDE = 1 << 14

#: Keys that tell the number of all pixels, as Qwen's do of images and videos: 616,562,688 is the most in use.
_OF_PIXELS = frozenset({"shortest_edge", "longest_edge", "min_pixels", "max_pixels"})
_MOST_PIXELS = 1 << 30


def refuse_impossible_sizes(
    files: Mapping[str, Header], documents: ModelDocuments, weight_sets: Collection[WeightSet]
) -> None:
    """Refuses a configuration of other weights, and images that are larger than any model takes.

    Args:
        files: relative path -> where the bytes are.
        documents: what the model's small files say.
        weight_sets: of the model.

    Raises:
        PreconditionError: names the file and the key.
    """
    for longest in (found.facts.longest_axis for found in weight_sets if found.format == "safetensors"):
        if longest:
            told = f"their longest axis has {longest:,} values"
            check_sizes(documents.config, longest, told, file=documents.config_file)
    for name in _PROCESSORS:
        place = str(PurePosixPath(documents.folder) / name)
        described = read_object(files[place], place) if place in files else {}
        part = described.get(_PART)
        for inside, found in (("", described), (f"{_PART}.", part if isinstance(part, Mapping) else {})):
            for key in _SIDES:
                _check_side(found.get(key), f"{inside}{key}", place)


def _check_side(value: Any, path: str, file: str) -> None:
    if isinstance(value, Mapping):
        for key, side in value.items():
            _check_side(side, f"{path}.{str(key)[:40]}", file)
        return
    most = _MOST_PIXELS if path.rpartition(".")[2] in _OF_PIXELS else _MOST_SIDE
    for side in value if isinstance(value, list) else [value]:
        if isinstance(side, int | float) and not isinstance(side, bool) and not 0 < side <= most:
            raise PreconditionError(
                f"{file} has {side:,} as `{path}`; an image has 1 to {most:,}", reason="unsupported_model"
            )
