"""From evidence to a task: what a model is for, and how one knows.

A ladder, first match wins: what the user says, marker files, the class that config.json names, the weights' own header,
what the source says. A model whose task is unknown is kept and named; its reason says what was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_registry.names import shown


@dataclass(frozen=True)
class Conclusion:
    """A value and what it was concluded from; an empty value says that nothing told."""

    value: str
    reason: str


#: Ends of class names -> task; the first that fits counts, so longer ones come before the ends they share.
HEADS = (
    ("ForSequenceClassification", "classify"),
    ("ForTokenClassification", "token-classify"),
    ("ForImageClassification", "classify"),
    ("ForAudioClassification", "classify"),
    ("ForVideoClassification", "classify"),
    ("ForObjectDetection", "detect"),
    ("ForSemanticSegmentation", "segment"),
    ("ForInstanceSegmentation", "segment"),
    ("ForUniversalSegmentation", "segment"),
    ("ForImageSegmentation", "segment"),
    ("ForDepthEstimation", "depth"),
    ("ForImageSuperResolution", "super-resolution"),
    ("ForSpeechSeq2Seq", "transcribe"),
    ("ForCTC", "transcribe"),
    ("ForTextToSpeech", "speak"),
    ("ForTextToWaveform", "speak"),
    ("ForConditionalGeneration", "generate"),
    ("ForCausalLM", "generate"),
    ("LMHeadModel", "generate"),
)

#: Model types whose ForConditionalGeneration class hears rather than reads.
SPEECH = frozenset({"whisper", "speech_to_text", "moonshine", "granite_speech", "kyutai_speech_to_text"})

#: Model types whose class without a head turns a text into one vector a token, made to be pooled.
ENCODERS = frozenset(
    {"albert", "bert", "big_bird", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert"}
    | {"electra", "ernie", "esm", "eurobert", "flaubert", "ibert", "longformer", "luke", "mobilebert", "modernbert"}
    | {"mpnet", "new", "nomic_bert", "nystromformer", "rembert", "roberta", "roformer", "squeezebert", "xlm"}
    | {"xlm-roberta", "xlm-roberta-xl", "xmod"}
)

#: The hub's names of tasks -> ours.
PIPELINE_TAGS = {
    "feature-extraction": "embed",
    "sentence-similarity": "embed",
    "text-ranking": "rerank",
    "text-classification": "classify",
    "image-classification": "classify",
    "audio-classification": "classify",
    "video-classification": "classify",
    "token-classification": "token-classify",
    "text-generation": "generate",
    "text2text-generation": "generate",
    "summarization": "generate",
    "translation": "generate",
    "image-to-text": "generate",
    "image-text-to-text": "generate",
    "automatic-speech-recognition": "transcribe",
    "text-to-speech": "speak",
    "text-to-audio": "speak",
    "object-detection": "detect",
    "image-segmentation": "segment",
    "depth-estimation": "depth",
}

TASKS = frozenset({task for _, task in HEADS} | {"embed", "rerank", *PIPELINE_TAGS.values()})
"""Those that can be concluded, and that a user may say."""

#: GGUF architectures that embed; the others generate.
GGUF_ENCODERS = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "t5encoder"}
)


def architecture_of(config: Mapping[str, Any], header: str) -> Conclusion:
    """The class that the checkpoint names.

    Args:
        config: the parsed config.json, {} when there is none.
        header: the architecture that the weights' header names, if it does.
    """
    names = config.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return Conclusion(names[0], "config.json names it in `architectures`")
    if header:
        return Conclusion(header, "the weights' header names it")
    return Conclusion("", "config.json names no class" if config else "there is no config.json")


def settled_task(found: Conclusion, hints: Sequence[str], pipeline_tag: str) -> tuple[Conclusion, tuple[str, ...]]:
    """The task, and the candidates when the evidence speaks for more than one.

    Args:
        found: what the files say.
        hints: what the user says, the likeliest first.
        pipeline_tag: what the source says, in the hub's words; empty when it says nothing.

    Raises:
        InvalidInputError: a hint is no task.
    """
    for hint in hints:
        if hint not in TASKS:
            known = ", ".join(sorted(TASKS))
            raise InvalidInputError(f"`{shown(hint)}` is no task; there are {known}", field="task_hints")
    tagged = PIPELINE_TAGS.get(pipeline_tag, "")
    candidates = tuple(dict.fromkeys(task for task in (*hints, found.value, tagged) if task))
    if hints:
        # A hint that the files bear out is worth more than one before it that they do not.
        hint = found.value if found.value in hints else hints[0]
        return Conclusion(hint, f"the user says so; {found.reason}"), candidates
    if found.value or not tagged:
        return found, candidates
    return Conclusion(tagged, f"the hub's tag says `{pipeline_tag}`; {found.reason}"), candidates


def task_of(markers: Mapping[str, Any], config: Mapping[str, Any], header: str) -> Conclusion:
    """What the model is for.

    Args:
        markers: name -> parsed content of the marker files that exist.
        config: as for `architecture_of`.
        header: as for `architecture_of`.
    """
    if "modules.json" in markers:
        return Conclusion("embed", f"modules.json lists {_modules(markers['modules.json'])}")
    if "model_index.json" in markers:
        return Conclusion("", "model_index.json describes a diffusers pipeline, and such models have no task here yet")
    if "adapter_config.json" in markers:
        return Conclusion("", "adapter_config.json says that it is an adapter, which cannot run without its base model")
    architecture = architecture_of(config, "").value
    if architecture:
        return _by_class(architecture, config)
    if header:
        task = "embed" if header in GGUF_ENCODERS else "generate"
        return Conclusion(task, f"the weights' header names the architecture `{header}`")
    return Conclusion("", "neither modules.json nor config.json nor a header says what it is for")


def _modules(document: object) -> str:
    """The last words of the module types, such as `Transformer, Pooling, Normalize`."""
    modules = document if isinstance(document, list) else []
    types = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, dict)]
    return ", ".join(types[:8]) or "no modules"


def _by_class(architecture: str, config: Mapping[str, Any]) -> Conclusion:
    model_type = str(config.get("model_type", ""))
    named = f"config.json names the class `{architecture}`"
    if architecture.endswith("ForSequenceClassification") and _label_count(config) == 1:
        return Conclusion("rerank", f"{named} with one label: a score")
    if architecture.endswith("ForConditionalGeneration") and model_type in SPEECH:
        return Conclusion("transcribe", f"{named}, which hears speech")
    for end, task in HEADS:
        if architecture.endswith(end):
            return Conclusion(task, named)
    if architecture.endswith("Model") and model_type in ENCODERS:
        return Conclusion("embed", f"{named}, a plain encoder, whose token vectors are averaged")
    return Conclusion("", f"{named}, which no known task belongs to")


def _label_count(config: Mapping[str, Any]) -> int:
    labels = config.get("id2label")
    if isinstance(labels, dict):
        return len(labels)
    count = config.get("num_labels")
    return count if isinstance(count, int) else 2  # transformers' own default
