"""Sizes that no model has are refused at import, by the file and the key: a load would build them first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from panope_backends.engines.config_checks import check_built
from panope_backends.errors import PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import Inspection, inspect_files

MakeModel = Callable[..., Path]

BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 16}
VIT = {"architectures": ["ViTForImageClassification"], "model_type": "vit", "id2label": {"0": "a"}, "image_size": 32}


def _understand(folder: Path) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)})


def _with(make_model: MakeModel, config: Mapping[str, Any], **files: Any) -> Inspection:
    return _understand(make_model(files={"config.json": json.dumps(config), **files}))


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({**BERT, "vocab_size": 2**40}, "vocab_size"),
        ({**BERT, "intermediate_size": 2**40}, "intermediate_size"),
        ({**BERT, "projection_dim": 2**40}, "projection_dim"),
        ({**BERT, "num_attention_heads": 2**31}, "num_attention_heads"),
        ({**BERT, "text_config": {"vocab_size": 2**40}}, "text_config.vocab_size"),
        ({**BERT, "vision_config": {"hidden_sizes": [8, 2**40]}}, "vision_config.hidden_sizes"),
        ({**BERT, "d_model": 2**21}, "d_model"),
    ],
)
def test_a_size_that_the_weights_do_not_have_is_refused_by_its_key(
    make_model: MakeModel, tmp_path: Path, config: Mapping[str, Any], key: str
) -> None:
    told = rf"^config\.json has [\d,]+ as `{key}`, which the weights are not of: "
    with pytest.raises(PreconditionError, match=told + r"their longest axis has \d+ values$"):
        _with(make_model, config)
    with pytest.raises(PreconditionError, match=told + r"their files have 0 bytes$"):  # of what was imported before
        check_built(config, tmp_path)


@pytest.mark.parametrize("key", ["patch_size", "image_size", "num_attention_heads", "num_channels", "hidden_size"])
@pytest.mark.parametrize("value", [0, -8, [16, 0]])
def test_a_size_of_nothing_is_refused_by_its_key(make_model: MakeModel, key: str, value: Any) -> None:
    with pytest.raises(PreconditionError, match=rf"^config\.json has .* as `vision_config\.{key}`, which must be 1 or"):
        _with(make_model, {**BERT, "vision_config": {key: value}})


def test_sizes_that_need_no_weights_and_those_of_an_axis_are_taken(make_model: MakeModel) -> None:
    usual = {"max_position_embeddings": 2**40, "vocab_size": 2**20, "type_vocab_size": 0, "patch_size": 14}
    unusual = {"hidden_size": None, "image_size": "large", "dim": True, "sliding_window": 2**40, "label2id": {"dim": 7}}
    assert _with(make_model, {**BERT, **usual, **unusual}).task == "embed"


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    ("sizes", "key"),
    [
        ({"size": {"height": 2**40, "width": 2**40}}, "size.height"),
        ({"size": {"shortest_edge": 2**40}}, "size.shortest_edge"),
        ({"size": 2**40}, "size"),
        ({"size": [32, 2**40]}, "size"),
        ({"crop_size": {"height": 32, "width": 1e300}}, "crop_size.width"),
        ({"size": {"height": 0, "width": 32}}, "size.height"),
        ({"crop_size": -1}, "crop_size"),
        ({"image_processor": {"size": {"height": 2**40}}}, "image_processor.size.height"),
    ],
)
def test_images_of_a_size_that_none_has_are_refused_by_the_processors_file_and_key(
    make_model: MakeModel, name: str, sizes: Mapping[str, Any], key: str
) -> None:
    with pytest.raises(PreconditionError, match=rf"^{name} has .* as `{key}`; an image has 1 to [\d,]+$"):
        _with(make_model, VIT, **{name: json.dumps(sizes)})


@pytest.mark.parametrize(
    "size",
    [
        {"shortest_edge": 3136, "longest_edge": 2**24},
        {"min_pixels": 3136, "max_pixels": 12_845_056},  # of older releases of transformers, for Qwen2-VL
        {"shortest_edge": 4096, "longest_edge": 616_562_688},
    ],
)
def test_numbers_of_pixels_and_sizes_that_are_left_open_are_taken(make_model: MakeModel, size: object) -> None:
    sizes = {"size": size, "crop_size": None, "do_resize": True}
    assert _with(make_model, VIT, **{"preprocessor_config.json": json.dumps(sizes)}).weight_sets
