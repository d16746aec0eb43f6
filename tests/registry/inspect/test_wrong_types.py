"""Values of other types than are meant, in any key of a model's files: told by name or passed over, and no failure.

A model's files are its author's. What they hold must not fail an import by a defect, nor later the lists in which the
model stands beside others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import CallerError
from panope_registry.inspect.inspect import Evidence, inspect_files
from panope_registry.session import RegistrySession
from panope_registry.testing.adapters import CONFIG, TENSORS

WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", "a\0b"),
    *([], [[]], [{}], [None], {}, {"a": []}),
)

BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4}
PLAIN = {"weight": ("F32", [8, 4])}
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]

FILES: dict[str, Any] = {
    "config.json": {
        **BERT,
        "auto_map": {"AutoModel": "modeling.X"},
        "quantization_config": {"bits": 4, "quant_method": "gptq"},
        "id2label": {"0": "a"},
        "num_labels": 1,
        "text_config": {"architectures": ["x"], "model_type": "y", "num_hidden_layers": 2},
    },
    "modules.json": MODULES,
    "config_sentence_transformers.json": {"model_type": "SentenceTransformer", "prompts": {"query": "q"}},
    "model_index.json": {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]},
    "adapter_config.json": {
        **CONFIG,
        "base_model_name_or_path": "a/b",
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"q_proj": 2.5},
        "modules_to_save": ["lm_head"],
        "use_rslora": False,
        "bias": "none",
    },
    "preprocessor_config.json": {"image_processor_type": "X", "feature_extractor_type": "Y"},
    "model.safetensors.index.json": {"weight_map": {"weight": "model.safetensors"}},
    "1_Pooling/config.json": {"word_embedding_dimension": 4, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("grants", [(), ("remote_code",)], ids=["no grant", "own code granted"])
def test_no_value_of_any_type_in_any_key_fails_by_a_defect(
    name: str, grants: tuple[str, ...], tmp_path: Path, safetensors: Callable[..., bytes]
) -> None:
    weights = tmp_path / "model.safetensors"
    is_adapter = name == "adapter_config.json"
    tensors = {tensor: ("F32", list(shape)) for tensor, shape in TENSORS.items()} if is_adapter else PLAIN
    weights.write_bytes(safetensors(tensors))
    places = {path: tmp_path / path.replace("/", "-") for path in ("config.json", "modules.json", name)}
    places["config.json"].write_text(json.dumps(BERT))
    places["modules.json"].write_text(json.dumps(MODULES))
    if name in ("model_index.json", "adapter_config.json", "preprocessor_config.json"):
        del places["modules.json"]  # which would say everything
    tried = list(_broken(FILES[name]))
    assert len(tried) > len(WRONG)
    told: list[str] = []
    for value in tried:
        places[name].write_text(json.dumps(value))
        try:
            weights_file = "adapter_model.safetensors" if is_adapter else "model.safetensors"
            inspect_files({**places, weights_file: weights}, Evidence(grants=grants))
        except CallerError as error:
            told.append(error.message)
    assert [message for message in told if len(message) > 1000] == []


def test_no_configuration_fails_the_lists_in_which_its_model_stands(
    tmp_path: Path, make_model: Callable[..., Path]
) -> None:
    session = RegistrySession.open(tmp_path / "db", tmp_path / "home")
    registry = session.registry
    large = (1 << 31) - 1
    keys = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size")
    configs = [BERT | {key: value} for key in ("architectures", "model_type", "hidden_size") for value in WRONG]
    configs.append(BERT | {"architectures": ["XForCausalLM"]} | dict.fromkeys(keys, large))
    kept = 0
    for number, config in enumerate(configs):
        folder = make_model(f"model-{number}", files={"config.json": json.dumps(config)})
        try:
            registry.import_folder(folder, f"a/m{number}")
            kept += 1
        except CallerError:
            continue
    assert kept > 20
    models = registry.models(limit=1000)
    assert len(models) == kept
    assert all(0 <= variant.memory_bytes < 1 << 63 for model in models for variant in model.variants)
    served = session.published_files
    assert len(served.models()) == kept
    assert all(served.revision(model.name).files for model in models)
    session.close()


def _broken(document: Any) -> Iterator[Any]:
    """The document with one value of another type, at every place."""
    yield from WRONG
    if isinstance(document, dict):
        for key, value in document.items():
            yield from ({**document, key: broken} for broken in _broken(value))
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from ([*document[:place], broken, *document[place + 1 :]] for broken in _broken(value))
