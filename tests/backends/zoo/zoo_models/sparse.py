"""A case for each form of sparse encoder, and for what their files may ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zoo_models.architectures import ARCHITECTURES
from zoo_models.case import Case

_BERT, _MODEL = "sentence_bert_config.json", "config_sentence_transformers.json"
_LOGITS = {"text": {"method": "forward", "method_output_name": "logits"}}
_TASK = {"transformer_task": "fill-mask"}
_SPARSE = {"model_type": "SparseEncoder"}


def _sparse(name: str, kind: str = "bert", **settings: Any) -> Case:
    case = next(case for case in ARCHITECTURES if case.name == kind)
    given = settings.pop("files", {})
    files = {_BERT: {**_TASK, **given.get(_BERT, {})}, _MODEL: {**_SPARSE, **given.get(_MODEL, {})}}
    files |= {path: content for path, content in given.items() if path not in files}
    return replace(
        case,
        name=f"sparse: {name}",
        modules=("SpladePooling",),
        load_class="AutoModelForMaskedLM",
        files=files,
        **settings,
    )


SPARSE_ENCODERS = (
    *(
        _sparse(kind, kind)
        for kind in ("bert", "distilbert", "roberta", "xlm-roberta", "modernbert", "albert", "mpnet")
    ),
    _sparse("sum", splade={"pooling_strategy": "sum"}),
    _sparse("two logarithms", splade={"activation_function": "log1p_relu"}),
    _sparse("sum, two logarithms", splade={"pooling_strategy": "sum", "activation_function": "log1p_relu"}),
    _sparse("modality", files={_BERT: {"modality_config": _LOGITS, "module_output_name": "token_embeddings"}}),
    _sparse("the largest values", files={_MODEL: {"max_active_dims": 20}}),
    _sparse("prompt", files={_MODEL: {"prompts": {"query": "the word: "}, "default_prompt_name": "query"}}),
    _sparse("of the base model", files={_BERT: {"transformer_task": "feature-extraction"}}, refused=True),
    _sparse("pooled in another way", splade={"pooling_strategy": "mean"}, refused=True),
    _sparse("an unknown activation", splade={"activation_function": "gelu"}, refused=True),
    _sparse("leading values", files={_MODEL: {"truncate_dim": 8}}, refused=True),
    _sparse("as a dense model", files={_MODEL: {"model_type": "SentenceTransformer"}}, refused=True),
)
