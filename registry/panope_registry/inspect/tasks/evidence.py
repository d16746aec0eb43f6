"""What a model's files say that it is for.

A ladder, first match wins: marker files, the class that config.json names, the class that its model type is likeliest
to have, the weights' own header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panope_backends.model_facts.image_models import compares_videos, encodes_images, reads_questions, reads_text
from panope_registry.inspect.tasks import known
from panope_registry.inspect.tasks.task_maps import (
    ADAPTED,
    GGUF_ENCODERS,
    GGUF_PARTS,
    HEADS,
    MADE,
    MODALITIES,
    TASKS,
    Head,
)
from panope_registry.names import shown

#: Files at the root whose presence says what a model is; modules.json holds a list, the others an object.
MARKERS = (
    "panope.json",
    "modules.json",
    "config_sentence_transformers.json",
    "model_index.json",
    "adapter_config.json",
    "preprocessor_config.json",
)

#: What sentence-transformers calls its kinds of models.
_SENTENCE_KINDS = {"SentenceTransformer": "embed", "CrossEncoder": "rerank", "SparseEncoder": "embed"} | {
    "MultiVectorEncoder": "embed",
    "ColBERT": "embed",  # as PyLate 3 calls the same
}


#: The class that ColBERT's own code names, in the place of one of transformers'.
_COLBERT = "HF_ColBERT"


@dataclass(frozen=True)
class Conclusion:
    """A value and what it was concluded from.

    Attributes:
        value: empty when nothing told.
        candidates: what it may be instead, where nothing decides.
        is_guess: whether the candidates are that, so that a source's word is worth more.
        unless_tagged: tasks that it is for instead where a source says so.
    """

    value: str
    reason: str
    candidates: tuple[str, ...] = ()
    is_guess: bool = False
    unless_tagged: tuple[str, ...] = ()


def architecture_of(config: Mapping[str, Any], header: str) -> Conclusion:
    """Returns the class that the checkpoint names.

    Args:
        config: the parsed config.json, {} when there is none.
        header: the architecture that the weights' header names, if it does.
    """
    for where, part in _parts(config):
        names = part.get("architectures")
        if isinstance(names, list) and names and isinstance(names[0], str):
            return Conclusion(shown(names[0]), f"config.json names it in `{where}architectures`")
    if header:
        return Conclusion(shown(header), "the weights' header names it")
    return Conclusion("", "config.json names no class" if config else "there is no config.json")


def task_of(markers: Mapping[str, Any], config: Mapping[str, Any], header: str, pooling: str = "") -> Conclusion:
    """Returns what the model is for.

    Args:
        markers: name -> parsed content of the marker files that exist.
        config: as for `architecture_of`.
        header: as for `architecture_of`.
        pooling: the kind of pooling that a GGUF header names, as its number; empty when it names none.
    """
    if "panope.json" in markers:
        return _by_description(markers["panope.json"])
    if "modules.json" in markers:
        return _by_modules(markers)
    if "model_index.json" in markers:
        return _by_pipeline(markers["model_index.json"])
    if "adapter_config.json" in markers:
        return _by_adapter(markers["adapter_config.json"])
    architecture = architecture_of(config, "").value
    if architecture:
        return _by_class(architecture, config)
    for where, part in _parts(config):
        if likeliest := known.likeliest_class(str(part.get("model_type", ""))):
            named = f"config.json names no class, and its `{where}model_type` is likeliest a `{likeliest}`"
            return _likely(HEADS[known.head_of(likeliest)], named)
    if header:
        return _by_header(header, pooling)
    return _by_preprocessor(markers.get("preprocessor_config.json", {}), config)


def _parts(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns the configuration, and that of the text model inside it, which speaks where the whole says nothing."""
    text = config.get("text_config")
    return [("", config), *([("text_config.", text)] if isinstance(text, Mapping) else [])]


def _by_description(document: Mapping[str, Any]) -> Conclusion:
    task = document.get("task")
    if isinstance(task, str) and task in TASKS:
        return Conclusion(task, "panope.json says so")
    return Conclusion("", "panope.json names no task")


def _by_modules(markers: Mapping[str, Any]) -> Conclusion:
    kind = markers.get("config_sentence_transformers.json", {}).get("model_type", "SentenceTransformer")
    document = markers["modules.json"]
    modules = document if isinstance(document, list) else []
    types = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, dict)]
    reason = f"modules.json lists {shown(', '.join(types[:8])) or 'no modules'}"
    if kind == "SentenceTransformer":
        return Conclusion("embed", reason)
    task = _SENTENCE_KINDS.get(str(kind), "")
    what = "" if task else ", which is no task here"
    reason += f", and config_sentence_transformers.json says `{shown(str(kind))}`{what}"
    return Conclusion(task, reason, () if task else ("embed",))


def _by_pipeline(index: Mapping[str, Any]) -> Conclusion:
    name = str(index.get("_class_name", ""))
    reason = f"model_index.json describes a diffusers pipeline, `{shown(name)}`"
    output = known.made_by(name)
    if output:
        return Conclusion(MADE[output], reason)
    which = "which is not known" if output is None else "whose name does not tell what it makes"
    return Conclusion("", f"{reason}, {which}", ("image-generation", "video-generation"), is_guess=True)


def _by_adapter(config: Mapping[str, Any]) -> Conclusion:
    kind = str(config.get("task_type") or "")
    reason = "adapter_config.json says that it is an adapter, which cannot run without its base model"
    task = ADAPTED.get(kind, "")
    return Conclusion(task, f"{reason}; its `task_type` is `{shown(kind)}`" if kind else reason)


def _by_class(architecture: str, config: Mapping[str, Any]) -> Conclusion:
    named = f"config.json names the class `{shown(architecture)}`"
    if architecture == _COLBERT:
        return Conclusion("embed", f"{named}, ColBERT's own, which gives a vector for each token")
    head = known.head_of(architecture) or _own_head(architecture, config)
    if not head:
        likeliest = known.head_of(known.likeliest_class(str(config.get("model_type", ""))))
        task = HEADS[likeliest].task if likeliest else ""
        return Conclusion("", f"{named}, which no known library has", (task,) if task else (), is_guess=True)
    if head == "base" and "For" not in architecture and encodes_images(config):
        head = "image"  # a vision tower as a model of its own, such as CLIP's
    if compares_videos(config):
        return Conclusion("", f"{named}, which compares videos with texts, which is no task here")
    if reads_text(config):
        return Conclusion("ocr", f"{named}, which writes the text of images by its encoder's and decoder's types")
    if reads_questions(config):
        return Conclusion("generate", f"{named}, which writes answers to questions about images")
    if head == "sequence-classification" and _label_count(config) == 1:
        return Conclusion("rerank", f"{named} with one label: a score")
    return _concluded(HEADS[head], named)


def _own_head(architecture: str, config: Mapping[str, Any]) -> str:
    """Of a class that the model brings itself: the auto class that its `auto_map` names it for."""
    auto_map = config.get("auto_map")
    for auto_class, target in auto_map.items() if isinstance(auto_map, dict) else ():
        if isinstance(target, str) and target.rpartition(".")[2] == architecture:
            head = known.head_of_auto_class(str(auto_class))
            if head in HEADS and head != "base":
                return head
    return ""


def _concluded(head: Head, named: str) -> Conclusion:
    reason = f"{named}, a class that {head.says}"
    candidates = head.candidates if not head.task else ()
    return Conclusion(head.task, reason, candidates, unless_tagged=head.unless_tagged)


def _likely(head: Head, named: str) -> Conclusion:
    """Of a class that no file names: what may be something else stays open."""
    found = _concluded(head, named)
    if not head.unless_tagged:
        return found
    return Conclusion("", found.reason, (*head.unless_tagged, head.task))


def _by_header(header: str, pooling: str) -> Conclusion:
    named = f"the weights' header names the architecture `{shown(header)}`"
    if header in GGUF_PARTS:
        return Conclusion("", f"{named}, which is a part of a model")
    if pooling == "4":
        return Conclusion("rerank", f"{named} and a score as its pooling")
    if header in GGUF_ENCODERS or pooling in ("1", "2", "3"):
        return Conclusion("embed", named + (" and a way of pooling" if pooling else ""))
    if known.is_gguf_architecture(header):
        return Conclusion("generate", named)
    return Conclusion("", f"{named}, which is not known", ("generate", "embed"), is_guess=True)


def _by_preprocessor(document: Mapping[str, Any], config: Mapping[str, Any]) -> Conclusion:
    for key, modality in (("image_processor_type", "image"), ("feature_extractor_type", "audio")):
        if document.get(key):
            reason = f"preprocessor_config.json says that it takes {modality} and nothing says what it gives"
            return Conclusion("", reason, MODALITIES[modality], is_guess=True)
    where = "config.json names no class and no known model type" if config else "there is no config.json"
    return Conclusion("", f"there is no modules.json, {where}, and no header says what it is for")


def _label_count(config: Mapping[str, Any]) -> int:
    labels = config.get("id2label")
    if isinstance(labels, dict):
        return len(labels)
    count = config.get("num_labels")
    return count if isinstance(count, int) else 2  # transformers' own default
