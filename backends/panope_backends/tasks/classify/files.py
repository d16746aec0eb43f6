"""What a model's folder says about classifying with it: config.json, and the files of sentence-transformers.

config.json                         the labels, `problem_type`, and what sentence-transformers 4 and 5 wrote
modules.json                        one Transformer; what another step would do is refused by name
sentence_bert_config.json           how texts become tokens
config_sentence_transformers.json   the function of the scores, where modules.json is
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.tasks.classify.functions import Function, usual_function
from panope_backends.tasks.classify.label_scoring import LabelScoring
from panope_backends.tasks.embed.files.embed_files import EmbedFiles, TokenizerSettings
from panope_backends.tasks.embed.files.sentence_files import (
    ENCODES,
    ModuleEntry,
    TransformerFile,
    call_max_tokens,
    tokenizer_arguments,
)
from panope_backends.tasks.json_files import read_any_json, read_json, shown, typed

_MODULES, _TRANSFORMER, _MODEL = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"

#: More than any model has; each label stands in every answer.
MAX_LABELS = 1 << 16

#: transformers' own number where config.json names no label.
_DEFAULT_LABELS = 2

#: What sentence-transformers calls functions of scores, by the last part of their names.
_ACTIVATIONS: Mapping[str, Function] = {"Identity": "none", "Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class ClassifyFiles(LabelScoring):
    """How to classify with one model, as its folder says.

    Attributes:
        text: how texts become tokens; its other fields mean nothing here.
    """

    text: EmbedFiles

    @property
    def config(self) -> Mapping[str, Any]:
        """The parsed config.json."""
        return self.text.config


def read_classify_files(folder: Path) -> ClassifyFiles:
    """Reads a model's folder.

    Raises:
        PreconditionError: a file is missing or broken, or asks for what Panope cannot do; the message names it.
    """
    config = read_json(folder / "config.json")
    labels = labels_of(config)
    return ClassifyFiles(
        text=EmbedFiles(folder, config, _tokenizer_settings(folder), pairs=True),
        labels=labels,
        function=function_of(config, len(labels)),
        rerank_function=_rerank_function(folder, config),
    )


def labels_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels by their ids, as transformers reads them.

    Raises:
        PreconditionError: `id2label` names them in another way.
    """
    named, count = config.get("id2label"), config.get("num_labels", _DEFAULT_LABELS)
    if named is None and isinstance(own := config.get("label_names"), list) and own:  # timm's models
        named = {str(index): label for index, label in enumerate(own)}
    if named is None and type(count) is int and 0 < count <= MAX_LABELS:
        return tuple(f"LABEL_{index}" for index in range(count))
    if not isinstance(named, Mapping) or not named or len(named) > MAX_LABELS:
        raise PreconditionError("config.json has no usable `id2label`")
    found = [named.get(str(index), named.get(index)) for index in range(len(named))]
    if not all(isinstance(label, str | int | float) for label in found):
        raise PreconditionError("config.json has an `id2label` that does not name one label for each id from 0")
    return tuple(str(label) for label in found)


def function_of(config: Mapping[str, Any], labels: int) -> Function:
    """What makes scores of a model's values, as transformers' pipelines choose it."""
    problem = config.get("problem_type")
    if problem == "regression":
        return "none"
    return "sigmoid" if problem == "multi_label_classification" else usual_function(labels)


def _rerank_function(folder: Path, config: Mapping[str, Any]) -> Function:
    name = _activation(folder, config)
    if name is None:
        return "sigmoid"
    function = _ACTIVATIONS.get(str(name).rpartition(".")[2])
    if function is None or not str(name).startswith("torch."):
        known = ", ".join(_ACTIVATIONS)
        raise PreconditionError(f"the model's files ask for the `activation_fn` `{shown(name)}`; Panope has {known}")
    return function


def _activation(folder: Path, config: Mapping[str, Any]) -> object:
    """What makes scores, as sentence-transformers finds it: it reads its own file beside modules.json alone."""
    if (folder / _MODULES).is_file() and (name := read_json(folder / _MODEL, missing_ok=True).get("activation_fn")):
        return name
    inside = config.get("sentence_transformers")
    if isinstance(inside, Mapping) and "activation_fn" in inside:
        return inside["activation_fn"]
    return config.get("sbert_ce_default_activation_function")


def _tokenizer_settings(folder: Path) -> TokenizerSettings:
    """As sentence-transformers' files say where they are, for a cross-encoder in one step."""
    if not (folder / _MODULES).is_file():
        return TokenizerSettings()
    _check_modules(folder)
    if read_json(folder / _MODEL, missing_ok=True).get("default_prompt_name"):
        raise PreconditionError(f"{_MODEL} sets `default_prompt_name`; Panope puts no prompt before pairs of texts")
    content = read_json(folder / _TRANSFORMER, missing_ok=True)
    file = typed(content, TransformerFile, _TRANSFORMER)
    for key, value, allowed in (
        ("transformer_task", file.transformer_task or "feature-extraction", ("sequence-classification",)),
        ("module_output_name", file.module_output_name or ENCODES.vectors, ("scores",)),
        ("query_length", file.query_length, (None,)),
        ("document_length", file.document_length, (None,)),
        ("query_expansion", file.query_expansion, (None,)),
        ("tokenizer_name_or_path", file.tokenizer_name_or_path, (None,)),
    ):
        if content and value not in allowed:
            raise PreconditionError(f"{_TRANSFORMER} sets `{key}` to `{shown(value)}`, which Panope does not run")
    if "message" in (file.modality_config or {}):
        raise PreconditionError(f"{_TRANSFORMER} asks for texts to be rendered as chat messages")
    return TokenizerSettings(
        arguments=tokenizer_arguments(file, _TRANSFORMER),
        stated_tokens=file.max_seq_length,
        call_tokens=call_max_tokens(file, _TRANSFORMER),
        lower_case=file.do_lower_case,
    )


def _check_modules(folder: Path) -> None:
    content = read_any_json(folder / _MODULES)
    if not isinstance(content, list) or not all(isinstance(module, dict) for module in content):
        raise PreconditionError(f"{_MODULES} does not hold a list of modules")
    modules = [typed(module, ModuleEntry, _MODULES) for module in content if module.get("type")]
    kinds = [module.type.rpartition(".")[2] for module in modules]
    if kinds != ["Transformer"] or modules[0].path not in ("", "."):
        listed = shown(", ".join(kinds)) or "no module"
        raise PreconditionError(f"{_MODULES} lists {listed}; Panope runs one Transformer in the model's folder")
