"""Values of other types than are meant, in any key of sentence-transformers' files: read or refused, never a defect."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.head import load_head
from panope_backends.tasks.json_files import read_json

SQUARE = np.ones((4, 4), np.float32)

WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e300, 10**30, "", "x"),
    *([], [[]], [{}], [None], {}, {"a": []}),
)

_TYPE = "sentence_transformers.models"

FILES: dict[str, Any] = {
    "config.json": {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": 4,
        "max_position_embeddings": 16,
        "pad_token_id": 0,
        "is_causal": True,
    },
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": f"{_TYPE}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{_TYPE}.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": f"{_TYPE}.Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": f"{_TYPE}.Normalize"},
    ],
    "1_Pooling/config.json": {
        "word_embedding_dimension": 4,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False,
        "include_prompt": True,
        "pooling_mode": "mean",
    },
    "2_Dense/config.json": {
        "in_features": 4,
        "out_features": 4,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    },
    "sentence_bert_config.json": {
        "max_seq_length": 16,
        "do_lower_case": False,
        "modality_config": {"text": {"method_output_name": "last_hidden_state"}},
        "query_expansion": None,
        "processor_kwargs": {},
        "tokenizer_args": {"add_prefix_space": True},
    },
    "config_sentence_transformers.json": {
        "prompts": {"query": "q: "},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
        "truncate_dim": 2,
        "__version__": {"sentence_transformers": "1"},
    },
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_plain", [False, True], ids=["modules", "a plain model"])
def test_no_value_of_any_type_in_any_key_fails_by_a_defect(name: str, is_plain: bool, tmp_path: Path) -> None:
    for path, document in FILES.items():
        if is_plain and path == "modules.json" != name:
            continue
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(document))
    (tmp_path / "2_Dense/model.safetensors").write_bytes(save({"linear.weight": SQUARE, "linear.bias": SQUARE[0]}))
    refused = 0
    for value in _broken(FILES[name]):
        (tmp_path / name).write_text(json.dumps(value))
        try:
            load_head(read_embed_files(tmp_path).head)
        except PanopeError:
            refused += 1
    assert refused > 0 or is_plain or name == "config.json"


def _broken(document: Any) -> Iterator[Any]:
    """The document with one value of another type, at every place."""
    yield from WRONG
    if isinstance(document, dict):
        for key, value in document.items():
            yield from ({**document, key: broken} for broken in _broken(value))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from ([*document[:place], broken, *document[place + 1 :]] for broken in _broken(value))


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("2_Dense/config.json", {"in_features": 10**300, "out_features": 4}),
        ("2_Dense/config.json", {"in_features": 4, "out_features": -(10**300)}),
        ("1_Pooling/config.json", {"word_embedding_dimension": 10**5000}),
        ("config_sentence_transformers.json", {"truncate_dim": 10**300}),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 10**300}}}),
    ],
)
def test_a_number_of_hundreds_of_digits_is_told_by_its_file_and_its_length(
    name: str, document: dict[str, Any], tmp_path: Path
) -> None:
    sys.set_int_max_str_digits(6000)  # to write the file
    try:
        written = json.dumps(document)
    finally:
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    for path, usual in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(written if path == name else json.dumps(usual))
    (tmp_path / "2_Dense/model.safetensors").write_bytes(save({"linear.weight": SQUARE}))
    with pytest.raises(PreconditionError) as caught:
        load_head(read_embed_files(tmp_path).head)
    assert re.fullmatch(rf"{re.escape(name)} holds a number of (301|5,001) digits", caught.value.message)


def test_the_number_that_transformers_writes_for_a_length_without_a_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": int(1e30)}))
    assert read_json(tmp_path / "tokenizer_config.json") == {"model_max_length": int(1e30)}
