"""Triton's model repositories: a folder a model, `NAME/config.pbtxt`, with numbered folders of versions below it.

The version that Triton would serve is what is taken in; of several, the highest, because a model serves one. What
config.pbtxt tunes is told and not used; what would change answers is a problem.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError
from panope_registry.ingest.discovery.finder import TRITON, FoundModel, ScanOptions
from panope_registry.ingest.folder import FolderFile, list_folder
from panope_registry.inspect.documents import broken
from panope_registry.inspect.grants import Grants
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.inspect.pbtxt import FILE, read_config
from panope_registry.names import parse_model_name, safe_relative_path, shown


@dataclass(frozen=True)
class Kind:
    """A kind of model that Triton runs.

    Attributes:
        file: what a version's folder holds, where the configuration names nothing else.
        problem: why Panope does not run it; empty when it does.
    """

    file: str
    problem: str = ""


#: By the name of Triton's backend.
KINDS = {
    "onnxruntime": Kind("model.onnx"),
    "openvino": Kind("model.xml"),
    "python": Kind("model.py"),
    "tensorrt": Kind("model.plan", "a TensorRT plan runs on the GPU alone that it was built for; take its ONNX model"),
    "pytorch": Kind("model.pt", "TorchScript is code in a pickle; export the model to ONNX or safetensors"),
    "tensorflow": Kind("model.savedmodel", "TensorFlow's graphs are not run; export the model to ONNX"),
    "ensemble": Kind("", "it is an ensemble, whose steps are models of their own: import those and call one by one"),
    "dali": Kind("model.dali", "it is a DALI pipeline, which is code"),
    "vllm": Kind("model.json", "it names a model for vLLM: register that model"),
    "tensorrtllm": Kind("", "TensorRT-LLM engines run on the GPU alone that they were built for; register the model"),
    "fil": Kind("xgboost.model", "forests of decision trees are not run"),
}

#: Triton's older `platform` -> its backend.
PLATFORMS = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "ensemble": "ensemble",
}

#: Fields that would change answers, or how a model is called; the others say what Panope finds out itself, or tune.
CHANGING = {
    "sequence_batching": "it keeps state from call to call (`sequence_batching`), which is not done",
    "batch_input": "it takes what Triton counts in a batch (`batch_input`), which is not done",
    "batch_output": "its outputs are cut up by its inputs (`batch_output`), which is not done",
    "model_operations": "it loads libraries of its own (`model_operations`), which is never done",
    "cc_model_filenames": "it has a file for each kind of GPU (`cc_model_filenames`), and which to take is not known",
}

#: Fields that are honoured, or say what the model's own files say.
_USED = frozenset(
    {"name", "platform", "backend", "version_policy", "default_model_filename", "max_batch_size", "input", "output"}
)


#: Files that Triton has in versions' folders, and other models beside their configuration.
_PLAIN = (".safetensors", ".onnx", ".gguf", ".xml")


class TritonModels:
    """The finder."""

    def matches(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Returns whether there is a config.pbtxt without a plain model beside it, or a file that only Triton has."""
        versions = [Path(entry.path) for entry in entries if _is_version(entry)]
        if any(entry.name == FILE for entry in entries):
            return bool(versions) or not any(entry.name.endswith(_PLAIN) for entry in entries)
        files = [entry for entry in entries if entry.is_file() and entry.name != "README.md"]
        return bool(versions) and not files and any(_backend_of(version) for version in versions)

    def find(self, folder: Path, options: ScanOptions) -> Sequence[FoundModel]:
        """Finds the one model of the folder."""
        return (self.look(folder, options.name_of(folder), options.grants),)

    def look(self, folder: Path, name: str, grants: Grants) -> FoundModel:
        """Looks at a folder as the model of a name."""
        facts: dict[str, str] = {}
        try:
            parse_model_name(name)
            files, task = _look(folder, facts, grants.of(name))
        except PanopeError as error:
            return FoundModel(name, "", folder, error.message, TRITON, facts=facts, problem_reason=error.reason)
        return FoundModel(name, task, folder, "", TRITON, files, facts=facts)


def triton_model(folder: Path, name: str, grants: Grants) -> FoundModel | None:
    """Returns the model of Triton's that a folder is; None when it is another model's, or none.

    Args:
        folder: to look at.
        name: of the model, which the grants are for.
        grants: what an admin lets single models do.
    """
    finder = TritonModels()
    try:
        with os.scandir(folder) as entries:
            if not finder.matches(folder, list(entries)):
                return None
    except OSError:  # listing it tells why
        return None
    return finder.look(folder.resolve(), name, grants)


def _look(folder: Path, facts: dict[str, str], grants: Sequence[str]) -> tuple[tuple[FolderFile, ...], str]:
    """Returns what importing takes in, and the task; `facts` gets what is found on the way, also to a problem."""
    listed = {file.path: file for file in list_folder(folder)}
    config = read_config(listed[FILE].source) if FILE in listed else None
    versions = sorted({int(path.partition("/")[0]) for path in listed if _is_number(path.partition("/")[0])})
    backend = _backend(config, folder, versions)
    facts["backend"] = backend
    if config is not None:
        _check(config, folder.name, facts)
    if KINDS[backend].problem:
        raise _not_runnable(KINDS[backend].problem)
    version = _served(config, versions, facts)
    named = (config.default_model_filename if config is not None else "") or KINDS[backend].file
    named = safe_relative_path(named)
    if backend == "python":
        files = tuple(_one_version(listed, version, named))
    else:
        files = tuple(_taken(listed, version, named))
    inspection = inspect_files({file.path: file.source for file in files}, Evidence(grants=tuple(grants)))
    return files, inspection.task


def _backend(config: Any, folder: Path, versions: Sequence[int]) -> str:
    """Reads the configuration, or, as Triton completes it, the file in the newest version's folder."""
    named = "" if config is None else (config.backend or PLATFORMS.get(config.platform, config.platform))
    if config is not None and config.HasField("ensemble_scheduling"):
        named = "ensemble"
    if not named:
        named = next((_backend_of(folder / str(version)) for version in reversed(versions)), "")
    if not named:
        raise InvalidInputError(f"neither {FILE} nor a file tells which backend it is for", field="folder")
    if named not in KINDS:
        raise PreconditionError(
            f"it is for Triton's backend `{shown(named)}`, which is not known", reason="not_runnable"
        )
    return named


def _backend_of(version: Path) -> str:
    return next((name for name, kind in KINDS.items() if kind.file and (version / kind.file).exists()), "")


def _check(config: Any, folder_name: str, facts: dict[str, str]) -> None:
    if config.name and config.name != folder_name:
        raise broken(FILE, f"its `name` is `{shown(config.name)}`, and its folder is `{shown(folder_name)}`")
    fields = [field.name for field, _ in config.ListFields()]
    for name in fields:
        if name in CHANGING:
            raise _not_runnable(CHANGING[name])
    if config.model_transaction_policy.decoupled:
        raise PreconditionError(
            "it answers a request many times (`decoupled`), which is not done", reason="not_runnable"
        )
    if any(tensor.HasField("reshape") for tensor in (*config.input, *config.output)):
        raise PreconditionError(
            "its tensors have other shapes outside (`reshape`), which is not done", reason="not_runnable"
        )
    unused = [name for name in fields if name not in _USED]
    if unused:
        facts["not used"] = ", ".join(unused)


def _served(config: Any, versions: Sequence[int], facts: dict[str, str]) -> int:
    """Returns the version that is taken in."""
    policy: Any = None if config is None else config.version_policy
    chosen = [] if policy is None else [name for name in ("latest", "all", "specific") if policy.HasField(name)]
    if len(chosen) > 1:
        raise broken(FILE, f"its `version_policy` says {' and '.join(chosen)}")
    # Triton's own way where nothing is said: the latest one.
    kind = chosen[0] if chosen else "latest"
    admitted = list(versions)
    if kind == "latest":
        admitted = admitted[-(policy.latest.num_versions or 1 if chosen else 1) :]
    elif kind == "specific":
        admitted = [version for version in versions if version in set(policy.specific.versions)]
    if not admitted:
        raise InvalidInputError(f"it has no version that its policy ({kind}) admits", field="folder")
    facts["version"] = str(admitted[-1])
    if len(admitted) > 1:
        facts["versions left out"] = ", ".join(map(str, admitted[:-1]))
    return admitted[-1]


def _taken(listed: dict[str, FolderFile], version: int, named: str) -> Iterator[FolderFile]:
    """Yields the files of one version, as if they were a folder of their own, and those beside the versions."""
    start = f"{version}/"
    # A model with external data may be a folder of the model's name, in which both are.
    inner = f"{start}{named}/"
    start = inner if any(path.startswith(inner) for path in listed) else start
    if start + named not in listed:
        raise InvalidInputError(f"version {version} has no file `{shown(named)}`", field="folder", reason="no_weights")
    for path, file in listed.items():
        if path.startswith(start):
            # Beside the one that is named other models may lie, which Triton does not open.
            if path == start + named or not path.endswith((".onnx", ".xml")):
                yield FolderFile(path.removeprefix(start), file.source, file.size_bytes)
        elif not _is_number(path.partition("/")[0]):
            yield file


def _one_version(listed: dict[str, FolderFile], version: int, named: str) -> Iterator[FolderFile]:
    """Yields the files of one version at their places, where a model's code looks for them, and those beside."""
    if f"{version}/{named}" not in listed:
        raise InvalidInputError(f"version {version} has no file `{shown(named)}`", field="folder", reason="no_weights")
    for path, file in listed.items():
        first = path.partition("/")[0]
        if first == str(version) or not _is_number(first):
            yield file


def _not_runnable(problem: str) -> PreconditionError:
    return PreconditionError(problem, reason="not_runnable")


def _is_version(entry: os.DirEntry[str]) -> bool:
    return _is_number(entry.name) and entry.is_dir(follow_symlinks=False)


def _is_number(name: str) -> bool:
    """Returns whether an entry is numbered as Triton numbers versions: from 1 on, no zeros before."""
    return name.isascii() and name.isdecimal() and not name.startswith("0") and len(name) < 19
