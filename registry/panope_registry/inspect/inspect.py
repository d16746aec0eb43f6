"""What a model's files say: its task, class, formats and precisions, each with its reason.

Only headers and small JSON files are read. They are hostile input: counts and sizes are bounded, and whatever would run
code is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.python_models.layout import FORMAT as OWN_CODE
from panope_registry.inspect.adapter import AdapterFacts, read_adapter
from panope_registry.inspect.content_mismatch import refuse_mismatched
from panope_registry.inspect.custom_code import (
    ASKING_FILES,
    CodeRequest,
    code_asked_for,
    refusal,
    refuse_impossible_code,
)
from panope_registry.inspect.documents import read_object
from panope_registry.inspect.embed_files import encoder_folders, refuse_undescribed
from panope_registry.inspect.embeddable import RUN_BY_TRANSFORMERS, embedding_sets, refuse_beside_adapter
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.file_kinds import FileKind, is_pickled, kinds_of
from panope_registry.inspect.grants import PICKLES, REMOTE_CODE
from panope_registry.inspect.headers.facts import WeightFacts
from panope_registry.inspect.model_documents import ModelDocuments, read_documents
from panope_registry.inspect.own_code import OwnCode, code_alone, find_own_code, own_code_kinds, own_code_set
from panope_registry.inspect.reasons import (
    listed,
    packing,
    reasons_of_candidates,
    reasons_of_kinds,
    reasons_of_weights,
)
from panope_registry.inspect.sizes import refuse_impossible_sizes
from panope_registry.inspect.tasks import architecture_of, known, resolve_task, task_of
from panope_registry.inspect.tasks.evidence import Conclusion
from panope_registry.inspect.weights import WeightSet, find_weights
from panope_registry.names import parse_model_name, shown


@dataclass(frozen=True)
class Inspection:
    """What is known of a model.

    Attributes:
        task: empty when it is open or unknown.
        candidates: the tasks among which somebody must decide; empty when one is decided, or nothing is known.
        config: the parsed config.json, or of a pipeline model_index.json, and what a description says of the memory of
            a run; {} without any.
        reasons: what was concluded -> from what.
        kinds: of every file.
        used_grants: of `grants.pickles` and `grants.remote_code`, those without which it would have been refused.
        weight_sets: one for each way to run it, at least one.
        base: the model that an adapter changes, as it names it; empty for what is none, or names none.
        adapter: what an adapter's files say; None for what is none.
        code_elsewhere: what it asks for of other repos' code, which it may run; empty for others.
    """

    task: str
    architecture: str
    config: Mapping[str, Any]
    reasons: Mapping[str, str]
    kinds: Mapping[str, FileKind]
    weight_sets: tuple[WeightSet, ...]
    base: str = ""
    adapter: AdapterFacts | None = None
    candidates: tuple[str, ...] = ()
    used_grants: tuple[str, ...] = ()
    code_elsewhere: tuple[CodeRequest, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What is known beside the files.

    Attributes:
        task_hints: what the user says, the likeliest first.
        pipeline_tag: what the source says, in the hub's words.
        tags: more of the source's words.
        grants: what an admin lets the model do: `pickles`, `remote_code`.
        reasons: what its place tells, such as a version, for people.
    """

    task_hints: tuple[str, ...] = ()
    pipeline_tag: str = ""
    tags: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


def inspect_files(files: Mapping[str, Header], evidence: Evidence = Evidence()) -> Inspection:
    """Reads what the files say of themselves.

    Args:
        files: relative path -> where the bytes are.
        evidence: what is known beside them.

    Raises:
        InvalidInputError: a file is broken, or a hint is no task; the message names it.
        PreconditionError: there are no weights in a safe format, or the model needs code of its own.
    """
    code = find_own_code(files, has_weights=True)
    if code is not None and code.is_whole:
        return _run_by_code(code, files, evidence)
    kinds = kinds_of(files, [grant for grant in evidence.grants if grant != REMOTE_CODE])
    refuse_mismatched(files, kinds)
    documents = read_documents(files)
    config = documents.config
    weight_sets = find_weights(files, kinds, documents.parts)
    if not weight_sets:
        if (code := find_own_code(files, has_weights=False)) is not None:
            return _run_by_code(code, files, evidence)
        if REMOTE_CODE in evidence.grants and (code_set := code_alone(files)) is not None:
            return _for_others(code_set, files, evidence)
        raise _no_weights(files, kinds)
    refuse_beside_adapter(weight_sets, files, documents.folder)
    adapter = read_adapter(files, documents.folder, weight_sets)
    named = next((found.facts for found in weight_sets if found.facts.architecture), WeightFacts({}))
    said = task_of(documents.markers, config, named.architecture, named.metadata.get("pooling_type", ""))
    refuse_impossible_sizes(files, documents, weight_sets)
    task = resolve_task(said, evidence.task_hints, evidence.pipeline_tag, evidence.tags)
    asked = code_asked_for(_asking(files, documents), task.task, is_known=_is_known(config))
    weight_sets, left_out = _runnable(files, kinds, documents, weight_sets, evidence, task.task, adapter, asked)
    elsewhere = tuple(request for request in asked if request.repo and REMOTE_CODE in evidence.grants)
    if code is not None and REMOTE_CODE in evidence.grants:
        with_code = own_code_kinds(files)
        kinds |= {path: kind for path, kind in with_code.items() if kind is FileKind.GRANTED_CODE}
        weight_sets = (*weight_sets, own_code_set(code, with_code))
    _settle_weights(kinds, weight_sets)
    architecture = documents.architecture(named.architecture)
    used = _used_grants(kinds, weight_sets, elsewhere)
    reasons = {
        "task": task.reason,
        "architecture": architecture.reason,
        **reasons_of_candidates(task),
        **reasons_of_weights(weight_sets, config),
        **left_out,
        **evidence.reasons,
        **({"grants": f"it is let in by the setting {listed(used, ' and ')}"} if used else {}),
        **reasons_of_kinds(kinds),
        **({} if adapter is None else {"adapter": adapter.told}),
    }
    packed = packing(config)
    return Inspection(
        task.task,
        architecture.value,
        {**config, **documents.sizes()},
        reasons,
        kinds,
        tuple(found.packed(packed) if packed and found.format == "safetensors" else found for found in weight_sets),
        "" if adapter is None else _base(adapter.base),
        adapter,
        task.candidates,
        tuple(used),
        elsewhere,
    )


def _runnable(
    files: Mapping[str, Header],
    kinds: dict[str, FileKind],
    documents: ModelDocuments,
    weight_sets: tuple[WeightSet, ...],
    evidence: Evidence,
    task: str,
    adapter: AdapterFacts | None,
    asked: Sequence[CodeRequest],
) -> tuple[tuple[WeightSet, ...], dict[str, str]]:
    """Returns those that can run for a task, and why others cannot; puts code that is granted among the kinds.

    Raises:
        PreconditionError: none can.
    """
    told: dict[str, str] = {}
    config = documents.config
    if asked and REMOTE_CODE in evidence.grants:
        refuse_impossible_code(asked, files)
        if not all(request.repo for request in asked):
            own = kinds_of(files, [REMOTE_CODE])
            kinds |= {path: kind for path, kind in own.items() if kind is FileKind.GRANTED_CODE}
    elif asked:
        weight_sets, told["own code"] = _without_code(weight_sets, asked)
    if task == "embed" and adapter is None:  # whose base was judged
        weight_sets, cannot = embedding_sets(weight_sets, config)
        if cannot:
            told["weights left out"] = listed(cannot, "; ")
        if any(found.format != "gguf" for found in weight_sets):  # which holds all that describes it
            refuse_undescribed(files, pickles=PICKLES in evidence.grants)
    return weight_sets, told


def _run_by_code(code: OwnCode, files: Mapping[str, Header], evidence: Evidence) -> Inspection:
    """Returns what is known of a model that is nothing but its own code.

    Raises:
        InvalidInputError: a hint says a task that the code is not for.
        PreconditionError: it may not run.
    """
    if REMOTE_CODE not in evidence.grants:
        raise code.refusal
    if evidence.task_hints:
        hinted = resolve_task(Conclusion("", ""), evidence.task_hints, "").task
        if hinted != code.task:
            told = f"the task `{code.task}`" if code.task else "tensors alone"
            raise InvalidInputError(
                f"`{shown(code.file)}` is for {told}, not for the task `{hinted}`", field="task_hints"
            )
    kinds = own_code_kinds(files)
    weight_set = own_code_set(code, kinds)
    _settle_weights(kinds, (weight_set,))
    facts = "; ".join(f"{name}: {value}" for name, value in code.facts.items())
    reasons = {
        "task": f"`{shown(code.file)}` is the model's own code" + (f"; {facts}" if facts else ""),
        "format": f"python: {shown(code.file)}",
        "precision": "the code decides on it",
        "grants": "it is let in by the setting grants.remote_code",
    }
    used = ("grants.remote_code",)
    return Inspection(code.task, "", {}, {**reasons, **evidence.reasons}, kinds, (weight_set,), used_grants=used)


def _for_others(code: WeightSet, files: Mapping[str, Header], evidence: Evidence) -> Inspection:
    """Returns what is known of a repo that holds code and no weights, for models that ask for it."""
    kinds = kinds_of(files, [REMOTE_CODE])
    reasons = {
        "task": "it holds code for other models, and no weights",
        "format": f"{code.format}: {listed(code.main_files)}",
        "grants": "it is let in by the setting grants.remote_code",
    }
    told = {**reasons, **evidence.reasons, **reasons_of_kinds(kinds)}
    return Inspection("", "", {}, told, kinds, (code,), used_grants=("grants.remote_code",))


def _base(named: str) -> str:
    """Returns the model that an adapter names; a folder of its author's machine is none."""
    try:
        return str(parse_model_name(named))
    except InvalidInputError:
        return ""


def _asking(files: Mapping[str, Header], documents: ModelDocuments) -> Mapping[str, Mapping[str, Any]]:
    folders = encoder_folders(documents.modules) or [documents.folder]
    paths = [str(PurePosixPath(folder) / name) for folder in folders for name in ASKING_FILES]
    return {path: read_object(files[path], path) for path in paths if path in files}


def _without_code(
    weight_sets: tuple[WeightSet, ...], asked: Sequence[CodeRequest]
) -> tuple[tuple[WeightSet, ...], str]:
    """Returns what runs without the code that is asked for, such as a graph, and what to say of the rest.

    Raises:
        PreconditionError: nothing does.
    """
    first = next((request for request in asked if request.is_for_reading), asked[0])
    graphs = tuple(found for found in weight_sets if found.format not in RUN_BY_TRANSFORMERS)
    if first.is_for_reading or not graphs:
        raise refusal(first)
    left_out = listed([path for found in weight_sets if found not in graphs for path in found.main_files])
    return graphs, f"{refusal(first).message}; so {left_out} cannot be run, and is left out"


def _is_known(config: Mapping[str, Any]) -> bool:
    """Returns whether transformers has the class and the type, so that only code for what is loaded is needed."""
    architecture = architecture_of(config, "").value
    return bool(known.head_of(architecture) and known.likeliest_class(str(config.get("model_type", ""))))


def _used_grants(
    kinds: Mapping[str, FileKind], weight_sets: tuple[WeightSet, ...], elsewhere: Sequence[CodeRequest]
) -> list[str]:
    used = {
        "grants.pickles": any(
            is_pickled(path) for found in weight_sets if found.format != OWN_CODE for path in found.files
        ),
        "grants.remote_code": FileKind.GRANTED_CODE in kinds.values() or bool(elsewhere),
    }
    return [name for name, is_used in used.items() if is_used]


def _settle_weights(kinds: dict[str, FileKind], weight_sets: tuple[WeightSet, ...]) -> None:
    """Weights are what some set uses: an ONNX model's data may have any name, and copies of weights have no use."""
    for path, kind in kinds.items():
        if kind is FileKind.WEIGHTS:
            kinds[path] = FileKind.UNSAFE if is_pickled(path) else FileKind.OTHER
    for weight_set in weight_sets:
        kinds.update(dict.fromkeys(weight_set.files, FileKind.WEIGHTS))


def _no_weights(files: Mapping[str, Header], kinds: Mapping[str, FileKind]) -> PreconditionError:
    unsafe = sorted(path for path, kind in kinds.items() if kind is FileKind.UNSAFE)
    if unsafe:
        return PreconditionError(
            f"the only weights are in forms that can run code when they are opened: {listed(unsafe)}; "
            "convert them to safetensors, or let the setting `grants.pickles` list the model, which admits "
            "`pytorch_model.bin` and its shards",
            reason="unsafe_format",
        )
    if "modules.json" in files:  # which may be why none were looked for where they are
        refuse_undescribed(files)
    if (code := code_alone(files)) is not None:
        return PreconditionError(
            f"the folder holds code ({listed(code.main_files)}) and no weights; what holds code for other models alone "
            "is registered where the setting `grants.remote_code` lists it",
            reason=REMOTE_CODE,
        )
    return no_weights()


def no_weights() -> PreconditionError:
    """Returns the error for files among which are no weights."""
    return PreconditionError("no safetensors, ONNX, OpenVINO or GGUF weights were found", reason="no_weights")
