"""Groups weights files into sets that run by themselves.

All safetensors files are one set; every ONNX file, OpenVINO IR and GGUF file (or its shards) is one. The safetensors
files of a pipeline's parts are one for each precision that they are there in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from panope_registry.inspect.documents import broken, read_object
from panope_registry.inspect.file_bytes import Header, size_of
from panope_registry.inspect.file_kinds import FileKind, is_pickled
from panope_registry.inspect.headers.facts import WeightFacts, merged
from panope_registry.inspect.headers.gguf import FILE_TYPES, read_gguf
from panope_registry.inspect.headers.onnx import read_onnx
from panope_registry.inspect.headers.openvino import read_openvino
from panope_registry.inspect.headers.safetensors import read_safetensors
from panope_registry.names import safe_relative_path

MAX_PARAMETERS = 1 << 50
"""A header that claims more lies."""

#: What a backend finds, whatever the repo calls it: a repo may hold several of a kind, each a variant of its own.
ONNX_FILE = "model.onnx"
OPENVINO_FILE = "openvino_model.xml"

INDEX = "model.safetensors.index.json"
PICKLED_INDEX = "pytorch_model.bin.index.json"
#: What the classes of parts of pipelines find their weights by; `fp16` and `bf16` name other precisions of the same.
_OF_PART = re.compile(
    r"(?P<stem>model|diffusion_pytorch_model)(\.(?P<precision>fp16|bf16))?(?P<shard>-\d{5}-of-\d{5})?\.safetensors"
)
_SHARD = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})(?P<suffix>\.\w+)")


@dataclass(frozen=True)
class Parts:
    """The folders that hold parts of the model itself.

    Attributes:
        transformer: that the transformer is loaded from; empty for the root.
        steps: of what comes after it, such as `2_Dense`.
        pipeline: of a pipeline's parts, such as `unet`.
        graphs: the ONNX files that one model runs together, by the folders that a backend finds them in; {} where each
            is a model.
        beside: files in safetensors that are no weights, and every set is run with, such as the styles of voices.
        others: of models that it runs beside itself, such as `vocoder`.
        words: the file of a model of words that lists them with their weights, and is its weights; empty for others.
    """

    transformer: str = ""
    steps: frozenset[str] = frozenset()
    pipeline: frozenset[str] = frozenset()
    graphs: Mapping[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    words: str = ""


@dataclass(frozen=True)
class WeightSet:
    """Weights that run by themselves.

    Attributes:
        files: path in the repo -> path in the folder that a backend gets.
        main_files: those whose headers were read.
        folder: that the transformer is loaded from; empty for the root.
        precision: of most weights; empty when unknown.
        parameter_count: 0 when unknown.
    """

    format: str
    precision: str
    parameter_count: int
    files: Mapping[str, str]
    main_files: tuple[str, ...]
    facts: WeightFacts
    folder: str = ""

    def packed(self, precision: str) -> WeightSet:
        """Returns the same weights as packed into wider integers, whose count says nothing of the parameters."""
        return replace(self, precision=precision, parameter_count=0)


def find_weights(
    files: Mapping[str, Header], kinds: Mapping[str, FileKind], parts: Parts = Parts()
) -> tuple[WeightSet, ...]:
    """Returns the sets in a folder, safetensors first; within a format and precision in the order of ties.

    A tie is settled by the file's name: the shortest path, which is the plain export's, then the alphabet.

    Args:
        files: relative path -> where the bytes are.
        kinds: of every file.
        parts: the folders that hold parts of the model itself.

    Raises:
        InvalidInputError: a weights file is broken, or a part of a set is missing.
    """
    if parts.graphs:
        return (_graphs_together(files, parts.graphs),)
    weights = sorted(path for path, kind in kinds.items() if kind is FileKind.WEIGHTS and path not in parts.beside)
    if parts.words in files:
        return (replace(_listed_words(files, weights, parts), folder=parts.transformer),)
    if parts.pipeline:
        return tuple(_pipelines(files, weights, parts.pipeline))
    plainest = sorted(weights, key=lambda path: (len(path), path))
    found = [
        *_safetensors(files, weights, parts),
        *(_graph(_onnx(files, path), weights, parts) for path in plainest if path.endswith(".onnx")),
        *(_graph(_openvino(files, path), weights, parts) for path in plainest if path.endswith(".xml")),
        *_gguf(files, [path for path in weights if path.endswith(".gguf")]),
    ]
    if not any(weight_set.format == "safetensors" for weight_set in found):  # the same weights, and safer
        found += _pytorch(files, [path for path in weights if is_pickled(path)], parts)
    for weight_set in found:
        if weight_set.parameter_count > MAX_PARAMETERS:
            raise broken(weight_set.main_files[0], "it claims an impossible number of parameters")
    return tuple(replace(weight_set, folder=parts.transformer) for weight_set in found)


def _graph(found: WeightSet, weights: Collection[str], parts: Parts) -> WeightSet:
    """Returns the graph where the transformer is loaded from, with the weights of the steps after it."""
    placed = {path: str(PurePosixPath(parts.transformer) / place) for path, place in found.files.items()}
    steps = {
        path: path
        for path in weights
        if path.endswith(".safetensors") and str(PurePosixPath(path).parent) in parts.steps
    }
    steps |= _pickled_steps(weights, parts) | {path: path for path in parts.beside}
    return replace(found, files=placed | steps)


def _safetensors(files: Mapping[str, Header], weights: list[str], parts: Parts) -> Iterator[WeightSet]:
    """Yields the sets at the root and those of parts; others, such as earlier checkpoints, are other models."""
    paths = [path for path in weights if path.endswith(".safetensors")]
    part_folders = {parts.transformer, *parts.steps, *parts.others} - {""}
    at_root = [path for path in paths if "/" not in path]
    if INDEX in files:
        # Beside an index some repos carry the same weights again, in one file, for other programs.
        at_root = sorted(_shards_of(files))
    used = at_root + [path for path in paths if str(PurePosixPath(path).parent) in part_folders]
    # A pickled transformer beside a later module's safetensors is a set of the other format.
    if used and not {str(PurePosixPath(path).parent) for path in used} <= parts.steps:
        facts = merged([read_safetensors(files[path], path) for path in used])
        beside = {path: path for path in sorted(parts.beside)}
        placed = {path: path for path in used} | _pickled_steps(weights, parts) | beside
        yield _set("safetensors", facts, placed, tuple(used))


def _pipelines(files: Mapping[str, Header], weights: Collection[str], folders: Collection[str]) -> Iterator[WeightSet]:
    """Yields a pipeline's sets: of its parts' own weights, and of those that are there in another precision too.

    What lies beside the folders of parts, such as the same weights in one file for other programs, is left out, and so
    is a part's ONNX file, which runs nothing by itself. A part without weights of a precision has its own ones.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}  # folder -> precision -> path -> place
    for path in weights:
        folder, named = str(PurePosixPath(path).parent), _OF_PART.fullmatch(PurePosixPath(path).name)
        # The index of another precision's shards names files that the part's class would not look for.
        if folder in folders and named and not (named["precision"] and named["shard"]):
            place = f"{folder}/{named['stem']}{named['shard'] or ''}.safetensors"
            found.setdefault(folder, {}).setdefault(named["precision"] or "", {})[path] = place
    for precision in sorted({each for of_folder in found.values() for each in of_folder}):
        chosen = [of_folder.get(precision) or of_folder.get("") for of_folder in found.values()]
        if all(chosen):
            placed = {path: place for part in chosen for path, place in (part or {}).items()}
            facts = merged([read_safetensors(files[path], path) for path in placed])
            yield _set("safetensors", facts, placed, tuple(placed))


def _listed_words(files: Mapping[str, Header], weights: Collection[str], parts: Parts) -> WeightSet:
    """Returns a list of words, with the weights of the steps after it."""
    listed = read_object(files[parts.words], parts.words).get("vocab")
    of_words = WeightFacts({"fp32": len(listed) if isinstance(listed, list) else 0})
    steps = [
        path for path in weights if path.endswith(".safetensors") and str(PurePosixPath(path).parent) in parts.steps
    ]
    facts = merged([of_words, *(read_safetensors(files[path], path) for path in steps)])
    placed = {path: path for path in (parts.words, *steps)} | _pickled_steps(weights, parts)
    return _set("safetensors", facts, placed, (parts.words, *steps))


def _pickled_steps(weights: Collection[str], parts: Parts) -> dict[str, str]:
    """Returns the pickles of later steps that have nothing safer; without a grant there are none."""
    safe = {str(PurePosixPath(path).parent) for path in weights if path.endswith(".safetensors")}
    folders = parts.steps - safe
    return {path: path for path in weights if is_pickled(path) and str(PurePosixPath(path).parent) in folders}


def _pytorch(files: Mapping[str, Header], paths: list[str], parts: Parts) -> Iterator[WeightSet]:
    """Nothing is known of what pickles hold, since telling would take opening them."""
    folder = PurePosixPath(parts.transformer)
    main = [path for path in paths if PurePosixPath(path).parent == folder]
    if PICKLED_INDEX in files:
        main = sorted(_shards_of(files, PICKLED_INDEX) & set(main))
    if main:
        steps = _pickled_steps(paths, parts)
        yield _set("pytorch", WeightFacts({}), {path: path for path in main} | steps, tuple(main))


def _shards_of(files: Mapping[str, Header], index: str = INDEX) -> frozenset[str]:
    weight_map = read_object(files[index], index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise broken(index, "its `weight_map` does not map tensors to files")
    shards = frozenset(safe_relative_path(shard) for shard in weight_map.values())
    missing = sorted(shards - files.keys())
    if missing:
        raise broken(index, f"it names `{missing[0]}`, which is not in the folder")
    return shards


def _onnx(files: Mapping[str, Header], path: str) -> WeightSet:
    facts, outside = read_onnx(files[path], path)
    folder = PurePosixPath(path).parent
    parts = [path]
    for name in sorted(outside):
        part = str(folder / name)
        if part not in files:
            raise broken(path, f"its weights are in `{part}`, which is not in the folder")
        parts.append(part)
    return _set("onnx", facts, _at_root(parts, folder) | {path: ONNX_FILE}, (path,))


def _graphs_together(files: Mapping[str, Header], graphs: Mapping[str, str]) -> WeightSet:
    found = {name: _onnx(files, path) for name, path in graphs.items()}
    placed = {
        path: str(PurePosixPath(name) / place) for name, each in found.items() for path, place in each.files.items()
    }
    return _set("onnx", merged([each.facts for each in found.values()]), placed, tuple(graphs.values()))


def _openvino(files: Mapping[str, Header], path: str) -> WeightSet:
    weights = str(PurePosixPath(path).with_suffix(".bin"))
    facts = read_openvino(files[path], path, size_of(files[weights]))
    named = {path: OPENVINO_FILE, weights: str(PurePosixPath(OPENVINO_FILE).with_suffix(".bin"))}
    return _set("openvino", facts, named, (path,))


def _gguf(files: Mapping[str, Header], paths: list[str]) -> Iterator[WeightSet]:
    groups: dict[str, list[str]] = {}
    for path in paths:
        shard = _SHARD.fullmatch(path)
        groups.setdefault(shard["stem"] if shard else path, []).append(path)
    for group in groups.values():
        shard = _SHARD.fullmatch(group[0])
        if shard and len(group) != int(shard["parts"]):
            raise broken(group[0], f"it is one of {int(shard['parts'])} parts, of which {len(group)} are in the folder")
        facts = merged([read_gguf(files[path], path) for path in group])
        folder = PurePosixPath(group[0]).parent
        found = _set("gguf", facts, _at_root(group, folder), tuple(group))
        file_type = facts.metadata.get("general.file_type", "")
        named = FILE_TYPES.get(int(file_type)) if file_type.isdigit() else None
        yield replace(found, precision=named or found.precision)


def _at_root(paths: list[str], folder: PurePosixPath) -> dict[str, str]:
    """Places weights where a backend finds them: beside the configuration, whatever folder the repo has for them."""
    return {path: str(PurePosixPath(path).relative_to(folder)) for path in paths}


def _set(format_: str, facts: WeightFacts, files: Mapping[str, str], main_files: tuple[str, ...]) -> WeightSet:
    return WeightSet(format_, facts.precision, facts.parameter_count, files, main_files, facts)
