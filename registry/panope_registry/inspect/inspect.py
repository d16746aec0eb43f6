"""What a model's files say: its task, class, formats and precisions, each with its reason.

Only headers and small JSON files are read. They are hostile input: counts and sizes are bounded, and whatever would run
code is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.description import AnyDescription, read_description
from panope_backends.graphs.ocr_description import OcrDescription
from panope_backends.graphs.terms import FILE as DESCRIPTION
from panope_backends.graphs.terms import DescriptionError
from panope_backends.graphs.voice_description import VoiceDescription
from panope_backends.model_facts.audio_models import SPEAKERS, SPEECHT5, VOCODER
from panope_backends.model_facts.image_models import with_type
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
from panope_registry.inspect.documents import broken, read_json, read_object
from panope_registry.inspect.embed_files import own_class, refuse_undescribed, step_folders, transformer_folder
from panope_registry.inspect.embeddable import RUN_BY_TRANSFORMERS, embedding_sets, refuse_beside_adapter
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.file_kinds import IMPORTED, FileKind, is_pickled, kinds_of
from panope_registry.inspect.grants import PICKLES, REMOTE_CODE
from panope_registry.inspect.headers.facts import WeightFacts
from panope_registry.inspect.own_code import OwnCode, find_own_code, own_code_kinds, own_code_set
from panope_registry.inspect.tasks import architecture_of, known, resolve_task, task_of
from panope_registry.inspect.tasks.evidence import MARKERS, Conclusion
from panope_registry.inspect.weights import Parts, WeightSet, find_weights
from panope_registry.names import parse_model_name, shown

TEXT_DETECTOR_SIDE = "text_detector_max_side"
"""The key of a configuration with the longest side, in pixels, of what a detector of text sees."""

PIPELINE = "model_index.json"
"""Where a pipeline's parts are named."""


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
    markers = {name: _marker(files[name], name) for name in MARKERS if name in files}
    description = _description(markers[DESCRIPTION]) if DESCRIPTION in markers else None
    modules = markers.get("modules.json", [])
    folder = transformer_folder(modules)
    config_file = str(PurePosixPath(folder) / "config.json")
    config = with_type(read_object(files[config_file], config_file)) if config_file in files else {}
    graphs = _graphs(description, files)
    index = markers.get(PIPELINE, {})
    pipeline = frozenset(name for name in index if not name.startswith("_"))
    if pipeline and description is None and not modules:
        config = index  # a pipeline has no config.json, its parts have
    beside = _beside(description, files) | _speakers(config, files)
    parts = Parts(folder, step_folders(modules), pipeline, graphs, beside, _spoken_parts(config))
    weight_sets = find_weights(files, kinds, parts)
    if not weight_sets:
        if (code := find_own_code(files, has_weights=False)) is not None:
            return _run_by_code(code, files, evidence)
        raise _no_weights(kinds)
    refuse_beside_adapter(weight_sets, files, folder)
    adapter = read_adapter(files, folder, weight_sets)
    named = next((found.facts for found in weight_sets if found.facts.architecture), WeightFacts({}))
    said = task_of(markers, config, named.architecture, named.metadata.get("pooling_type", ""))
    task = resolve_task(said, evidence.task_hints, evidence.pipeline_tag, evidence.tags)
    asked = code_asked_for(_asking(files, folder), task.task, is_known=_is_known(config))
    own_code = ""
    if asked and REMOTE_CODE in evidence.grants:
        refuse_impossible_code(asked, files)
        kinds |= {path: kind for path, kind in kinds_of(files, [REMOTE_CODE]).items() if kind is FileKind.GRANTED_CODE}
    elif asked:
        weight_sets, own_code = _without_code(weight_sets, asked)
    cannot: list[str] = []
    if task.task == "embed" and adapter is None:  # whose base was judged
        weight_sets, cannot = embedding_sets(weight_sets, config)
        if any(found.format != "gguf" for found in weight_sets):  # which holds all that describes it
            refuse_undescribed(files, pickles=PICKLES in evidence.grants)
    if code is not None and REMOTE_CODE in evidence.grants:
        with_code = own_code_kinds(files)
        kinds |= {path: kind for path, kind in with_code.items() if kind is FileKind.GRANTED_CODE}
        weight_sets = (*weight_sets, own_code_set(code, with_code))
    _settle_weights(kinds, weight_sets)
    architecture = architecture_of(config, named.architecture)
    if config is index and index:
        architecture = Conclusion(shown(str(index.get("_class_name", ""))), f"{PIPELINE} names it")
    if description is not None:
        architecture = Conclusion(description.architecture, f"{DESCRIPTION} names its decoder")
    if own := own_class(modules):
        architecture = Conclusion(own, f"modules.json lists {own}")
    reasons = {"task": task.reason, "architecture": architecture.reason}
    if task.candidates:
        reasons["candidates"] = f"it may be for {_listed(list(task.candidates))}; nothing says for which"
    elif len(task.spoken_for) > 1:
        reasons["candidates"] = f"the evidence speaks for {_listed(list(task.spoken_for))}"
    reasons["format"] = _listed([f"{found.format}: {', '.join(found.main_files)}" for found in weight_sets], "; ")
    reasons["precision"] = _listed([_precision_reason(found, config) for found in weight_sets], "; ")
    if own_code:
        reasons["own code"] = own_code
    if cannot:
        reasons["weights left out"] = _listed(cannot, "; ")
    reasons |= evidence.reasons
    if used := _used_grants(kinds, weight_sets):
        reasons["grants"] = f"it is let in by the setting {_listed(used, ' and ')}"
    skipped = [f"{path} ({kind})" for path, kind in sorted(kinds.items()) if kind not in IMPORTED]
    if skipped:
        reasons["left out"] = _listed(skipped)
    if adapter is not None:
        reasons["adapter"] = adapter.told
    packed = _packing(config)
    return Inspection(
        task.task,
        architecture.value,
        {**config, **_sizes(description)},
        reasons,
        kinds,
        tuple(found.packed(packed) if packed and found.format == "safetensors" else found for found in weight_sets),
        "" if adapter is None else _base(adapter.base),
        adapter,
        task.candidates,
        tuple(used),
    )


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


def _marker(file: Header, name: str) -> Any:
    if name != "modules.json":
        return read_object(file, name)
    document = read_json(file, name)
    if not isinstance(document, list) or not all(isinstance(module, dict) for module in document):
        raise broken(name, "it is not a list of modules")
    return document


def _description(document: Mapping[str, Any]) -> AnyDescription:
    """Refuses at import what a worker would refuse, by the same reader."""
    try:
        return read_description(document)
    except DescriptionError as error:
        raise broken(DESCRIPTION, str(error)) from None


def _beside(description: AnyDescription | None, files: Collection[str]) -> frozenset[str]:
    """Returns the files that a voice's graph is run with."""
    if not isinstance(description, VoiceDescription) or not description.styles:
        return frozenset()
    if description.styles not in files:
        raise broken(DESCRIPTION, f"`styles` is `{shown(description.styles)}`, which is not in the folder")
    return frozenset({description.styles})


def _spoken_parts(config: Mapping[str, Any]) -> frozenset[str]:
    """Returns the folders of what a model that speaks is run with."""
    return frozenset({VOCODER}) if config.get("model_type") == SPEECHT5 else frozenset()


def _speakers(config: Mapping[str, Any], files: Collection[str]) -> frozenset[str]:
    """Returns the files that hold the voices of such a model."""
    return frozenset({SPEAKERS}) & frozenset(files) if config.get("model_type") == SPEECHT5 else frozenset()


def _graphs(description: AnyDescription | None, files: Collection[str]) -> Mapping[str, str]:
    """Returns the files of a model of several graphs, by the folders that a backend finds them in; {} for others."""
    if not isinstance(description, OcrDescription):
        return {}
    named = {name: str(PurePosixPath(graph.file)) for name, graph in description.graphs.items()}
    for name, file in named.items():
        if file not in files:
            raise broken(DESCRIPTION, f"`{name}.file` is `{shown(file)}`, which is not in the folder")
    return named


def _sizes(description: AnyDescription | None) -> Mapping[str, int]:
    """Returns what the memory of a run is estimated by."""
    return {TEXT_DETECTOR_SIDE: description.detector.max_side} if isinstance(description, OcrDescription) else {}


def _base(named: str) -> str:
    """Returns the model that an adapter names; a folder of its author's machine is none."""
    try:
        return str(parse_model_name(named))
    except InvalidInputError:
        return ""


def _asking(files: Mapping[str, Header], folder: str) -> Mapping[str, Mapping[str, Any]]:
    paths = [str(PurePosixPath(folder) / name) for name in ASKING_FILES]
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
    left_out = _listed([path for found in weight_sets if found not in graphs for path in found.main_files])
    return graphs, f"{refusal(first).message}; so {left_out} cannot be run, and is left out"


def _is_known(config: Mapping[str, Any]) -> bool:
    """Returns whether transformers has the class and the type, so that only code for what is loaded is needed."""
    architecture = architecture_of(config, "").value
    return bool(known.head_of(architecture) and known.likeliest_class(str(config.get("model_type", ""))))


def _used_grants(kinds: Mapping[str, FileKind], weight_sets: tuple[WeightSet, ...]) -> list[str]:
    used = {
        "grants.pickles": any(
            is_pickled(path) for found in weight_sets if found.format != OWN_CODE for path in found.files
        ),
        "grants.remote_code": FileKind.GRANTED_CODE in kinds.values(),
    }
    return [name for name, is_used in used.items() if is_used]


def _settle_weights(kinds: dict[str, FileKind], weight_sets: tuple[WeightSet, ...]) -> None:
    """Weights are what some set uses: an ONNX model's data may have any name, and copies of weights have no use."""
    for path, kind in kinds.items():
        if kind is FileKind.WEIGHTS:
            kinds[path] = FileKind.UNSAFE if is_pickled(path) else FileKind.OTHER
    for weight_set in weight_sets:
        kinds.update(dict.fromkeys(weight_set.files, FileKind.WEIGHTS))


def _no_weights(kinds: Mapping[str, FileKind]) -> PreconditionError:
    unsafe = sorted(path for path, kind in kinds.items() if kind is FileKind.UNSAFE)
    if unsafe:
        return PreconditionError(
            f"the only weights are in forms that can run code when they are opened: {_listed(unsafe)}; "
            "convert them to safetensors, or let the setting `grants.pickles` list the model, which admits "
            "`pytorch_model.bin` and its shards",
            reason="unsafe_format",
        )
    return no_weights()


def no_weights() -> PreconditionError:
    """Returns the error for files among which are no weights."""
    return PreconditionError("no safetensors, ONNX, OpenVINO or GGUF weights were found", reason="no_weights")


def _packing(config: Mapping[str, Any]) -> str:
    """Returns the precision that config.json declares for packed weights, such as `int4`; empty for others."""
    quantization = config.get("quantization_config")
    bits = quantization.get("bits") if isinstance(quantization, dict) else None
    return f"int{bits}" if type(bits) is int and bits in (2, 3, 4, 8) else ""


def _precision_reason(found: WeightSet, config: Mapping[str, Any]) -> str:
    packed = _packing(config)
    if packed and found.format == "safetensors":
        return f"config.json declares packed weights of {packed}"
    if found.format == OWN_CODE:
        return "the model's own code decides on it"
    if found.format == "pytorch":
        return f"{shown(found.main_files[0])} is a pickle, which is not opened to look"
    counts = sorted(found.facts.elements.items(), key=lambda item: -item[1])
    return f"{shown(found.main_files[0])} holds " + _listed([f"{count} elements of {name}" for name, count in counts])


def _listed(items: list[str], separator: str = ", ", limit: int = 8) -> str:
    """At most `limit` of them, and how many more there are."""
    more = [f"and {len(items) - limit} more"] if len(items) > limit else []
    return separator.join([shown(item) for item in items[:limit]] + more)
