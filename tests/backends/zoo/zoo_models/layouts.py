"""A case for each way in which sentence-transformers' files lay a model out, and for what they may ask for."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from zoo_models.case import WIDTH, Case

_BERT, _MODEL = "sentence_bert_config.json", "config_sentence_transformers.json"
_ROBERTA = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
_T5 = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
_TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


def _modules() -> list[Case]:
    modes = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    rows: dict[str, tuple[str, ...]] = {
        "normalised": ("Pooling", "Normalize"),
        "dense": ("Pooling", "Dense"),
        "dense, normalised": ("Pooling", "Dense", "Normalize"),
        "normalised, dense": ("Pooling", "Normalize", "Dense"),
        "layer norm": ("Pooling", "LayerNorm"),
        "layer norm, dense, normalised": ("Pooling", "LayerNorm", "Dense", "Normalize"),
        "dropout": ("Pooling", "Dropout", "Normalize"),
    }
    flags = {f"pooling_mode_{mode}": True for mode in ("cls_token", "mean_tokens", "max_tokens")}
    no_prompt = {"pooling_mode": "mean", "include_prompt": False}
    prompts = {"prompts": {"query": "the word: "}, "default_prompt_name": "query"}
    return [
        Case("plain", modules=None),
        Case("plain causal", "qwen2", {"num_key_value_heads": 2}, modules=None, load_class="AutoModelForCausalLM"),
        Case("plain masked", "roberta", _ROBERTA, "byte-level", modules=None, load_class="AutoModelForMaskedLM"),
        *(Case(f"pooled: {mode}", pooling={"pooling_mode": mode}) for mode in modes),
        *(Case(f"modules: {name}", modules=kinds) for name, kinds in rows.items()),
        Case("pooled: older flags", pooling=flags),
        Case("pooled: no flag", pooling={"pooling_mode_cls_token": False}),
        Case("pooled: two", pooling={"pooling_mode": ["mean", "cls"]}),
        Case("prompt", files={_MODEL: prompts}),
        Case("prompt not pooled", pooling=no_prompt, files={_MODEL: prompts}),
        Case("prompt not pooled, padded left", pooling=no_prompt, files={_MODEL: prompts},
             tokenizer_settings={"padding_side": "left"}),
        Case("prompt empty", files={_MODEL: {"prompts": {"query": ""}, "default_prompt_name": "query"}}),
        Case("dimensions", files={_MODEL: {"truncate_dim": 8}}),
        Case("modules: none", files={"modules.json": []}, refused=True),
        Case("dense of another activation", modules=("Pooling", "Dense"),
             files={"2_Dense/config.json": {"activation_function": "torch.nn.modules.activation.GELU"}}),
        Case("dense of own code", modules=("Pooling", "Dense"), refused=True,
             files={"2_Dense/config.json": {"activation_function": "mine.Activation"}}),
    ]  # fmt: skip


def _keys() -> list[Case]:
    keys: dict[str, tuple[bool, dict[str, Any]]] = {
        "max_seq_length": (False, {_BERT: {"max_seq_length": 6}}),
        "max_seq_length none": (False, {_BERT: {"max_seq_length": None}}),
        "text max_length": (False, {_BERT: {"processing_kwargs": {"text": {"max_length": 8}}}}),
        "common max_length": (False, {_BERT: {"processing_kwargs": {"common": {"max_length": 8}}}}),
        "longer by the call": (False, {_BERT: {"processing_kwargs": {"text": {"max_length": 30}}}}),
        "no truncation": (True, {_BERT: {"processing_kwargs": {"text": {"truncation": False}}}}),
        "no special tokens": (True, {_BERT: {"processing_kwargs": {"text": {"add_special_tokens": False}}}}),
        "unknown of the call": (True, {_BERT: {"processing_kwargs": {"words": {"max_length": 8}}}}),
        "fill-mask": (True, {_BERT: {"transformer_task": "fill-mask"}}),
        "text-generation": (True, {_BERT: {"transformer_task": "text-generation"}}),
        "modality": (False, {_BERT: {"modality_config": _TEXT, "module_output_name": "token_embeddings"}}),
        "pooler output": (True, {_BERT: {"module_output_name": "sentence_embedding", "modality_config": {
            "text": {"method": "forward", "method_output_name": "pooler_output"}}}}),
        "hidden states": (True, {_BERT: {"module_output_name": "token_embeddings", "modality_config": {
            "text": {"method": "forward", "method_output_name": ["hidden_states", 1]}}}}),
        "query_length": (True, {_BERT: {"query_length": 6}}),
        "query_expansion": (True, {_BERT: {"query_expansion": {"strategy": "fixed", "length": 8}}}),
        "model_args": (False, {_BERT: {"model_args": {"attn_implementation": "eager"}}}),
        "model_args output": (True, {_BERT: {"model_args": {"variant": "fp16"}}}),
        "config_args": (True, {_BERT: {"config_args": {"num_hidden_layers": 1}}}),
        "config_args code": (False, {_BERT: {"config_args": {"trust_remote_code": True}}}),
        "unpad": (False, {_BERT: {"unpad_inputs": False}}),
        "unknown of the transformer": (True, {_BERT: {"pooling": "cls"}}),
        "unknown of the model": (True, {_MODEL: {"prompt": "the word: "}}),
        "unknown of pooling": (True, {"1_Pooling/config.json": {"layers": 2}}),
        "similarity": (False, {_MODEL: {"similarity_fn_name": "dot", "__version__": {"torch": "2"}}}),
        "another model type": (True, {_MODEL: {"model_type": "SparseEncoder"}}),
        "splade pooling": (True, {"1_Pooling/config.json": {"pooling_mode_splade": True}}),
        "return_dict": (False, {"config.json": {"return_dict": False}}),
        "output_hidden_states": (False, {"config.json": {"output_hidden_states": True}}),
    }  # fmt: skip
    return [Case(f"key: {name}", files=files, refused=refused) for name, (refused, files) in keys.items()]


def _limits() -> list[Case]:
    """Stated lengths past `max_position_embeddings`, with a table of positions and without one."""
    short = {"max_position_embeddings": 12}
    stated = {_BERT: {"max_seq_length": 20}}
    llama = {"pad_token_id": 3, "num_key_value_heads": 2, "head_dim": 8}
    return [
        Case("relative, stated past", "deberta-v2", {**_RELATIVE, **short, "type_vocab_size": 0}, files=stated),
        Case("relative, unstated", "deberta-v2", {**_RELATIVE, **short, "type_vocab_size": 0},
             files={_BERT: {"max_seq_length": None}}),
        Case("rotary, stated past", "qwen3", {**llama, **short}, "llama", files=stated),
        Case("rotary encoder, stated past", "nomic_bert", short, files=stated),
        Case("bloom, mean", "bloom", {"n_layer": 2, "n_head": 4}, "byte-level", {"closes": False}, files=stated),
        Case("table", sizes=short, files={_BERT: {"max_seq_length": None}}),
        Case("table after padding", "roberta", {**_ROBERTA, "max_position_embeddings": 14}, "byte-level",
             {"model_max_length": 12}, files={_BERT: {"max_seq_length": None}}),
    ]  # fmt: skip


def _folders() -> list[Case]:
    return [
        Case("transformer below", change=_transformer_below),
        Case("half precision", change=_half),
        Case("older name of the module's file", change=_older_name),
        Case("newer places of classes", change=_newer_places),
        Case("pooling below another name", change=_pooling_elsewhere),
        Case("no sentence_bert_config.json", change=lambda folder: (folder / _BERT).unlink()),
    ]


def _steps() -> list[Case]:
    """Modules between the transformer and pooling, and files that lie about themselves."""
    tokens = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
    dense, layers = ("Pooling", "Dense"), ("WeightedLayerPooling", "Pooling")
    all_layers = {"config.json": {"output_hidden_states": True}}
    pickled = partial(_pickled, module="1_WeightedLayerPooling")
    wrong: dict[str, Any] = {
        "absurd in_features": {"in_features": 10**9},
        "absurd out_features": {"out_features": 10**9},
        "negative in_features": {"in_features": -1},
        "of vectors that are not there": {"module_input_name": "pooled"},
        "an activation with settings": {"activation_function": "torch.nn.modules.activation.Softmax"},
    }
    return [
        Case("dense of tokens", modules=("Dense", "Pooling"), files={"1_Dense/config.json": tokens}),
        Case("normalised tokens", modules=("Normalize", "Pooling"), files={"1_Normalize/config.json": tokens}),
        Case("dense of texts before pooling", modules=("Dense", "Pooling"), refused=True),
        Case("two dense", modules=("Pooling", "Dense", "Dense"),
             files={"3_Dense/config.json": {"in_features": 12}}, change=_narrow),
        Case("two dense that do not fit", modules=("Pooling", "Dense", "Dense"), refused=True),
        Case("layers: the last", modules=layers),
        Case("layers: all", modules=layers, files=all_layers),
        Case("layers: all, of a decoder", "llama", {"num_key_value_heads": 2, "head_dim": 8}, "llama", modules=layers,
             pooling={"pooling_mode": "lasttoken"}, files=all_layers),
        Case("layers: all, of T5", "t5", {**_T5, "eos_token_id": 1, "bos_token_id": None}, "unigram",
             {"template": "$A </s>", "kind": "T5Tokenizer"}, modules=layers, files=all_layers),
        Case("layers: after dense, before dense", modules=("Dense", *layers, "Dense"),
             files={**all_layers, "1_Dense/config.json": tokens}),
        Case("layers: pickled, granted", modules=layers, files=all_layers, change=pickled, grants=("pickles",)),
        Case("layers: pickled, not granted", modules=layers, files=all_layers, change=pickled, refused=True),
        Case("layers: of another model", modules=layers, files=all_layers, change=partial(_weigh, [1, 2, 3, 4]),
             refused=True),
        Case("layers: behind the last", modules=layers,
             files={**all_layers, "1_WeightedLayerPooling/config.json": {"layer_start": 3}}, refused=True),
        Case("layers: of the sum 0", modules=layers, files=all_layers, change=partial(_weigh, [1, -1]), refused=True),
        *(Case(f"dense: {name}", modules=dense, files={"2_Dense/config.json": config}, refused=True)
          for name, config in wrong.items()),
        Case("dense: not finite", modules=dense, change=_not_finite, refused=True),
        Case("dense: pickled, not granted", modules=dense, change=_pickled, refused=True),
        Case("dense: pickled, granted", modules=dense, change=_pickled, grants=("pickles",)),
        Case("dense: pickled code", modules=dense, change=_pickled_code, grants=("pickles",), refused=True),
        Case("modules: outside", files={"modules.json": _placed("../elsewhere")}, refused=True),
        Case("modules: of the root of the disk", files={"modules.json": _placed("/etc")}, refused=True),
        Case("modules: more than there can be", files={"modules.json": _placed("") * 100}, refused=True),
    ]  # fmt: skip


def _placed(path: str) -> list[dict[str, Any]]:
    kinds = (("Transformer", ""), ("Pooling", path or "1_Pooling"))
    return [{"idx": n, "name": str(n), "path": p, "type": f"sentence_transformers.models.{k}"}
            for n, (k, p) in enumerate(kinds)]  # fmt: skip


def _narrow(folder: Path) -> None:
    weights = load_file(folder / "3_Dense/model.safetensors")
    save_file({n: np.ascontiguousarray(t[..., :12]) for n, t in weights.items()}, folder / "3_Dense/model.safetensors")


def _not_finite(folder: Path) -> None:
    weights = load_file(folder / "2_Dense/model.safetensors")
    weights["linear.bias"][3] = np.nan
    save_file(weights, folder / "2_Dense/model.safetensors")


def _pickled(folder: Path, module: str = "2_Dense") -> None:
    import torch

    weights = load_file(folder / module / "model.safetensors")
    torch.save({name: torch.from_numpy(tensor) for name, tensor in weights.items()},
               folder / module / "pytorch_model.bin")  # fmt: skip
    (folder / module / "model.safetensors").unlink()


def _weigh(weights: list[float], folder: Path) -> None:
    """Of the layers from the first on."""
    module = folder / "1_WeightedLayerPooling"
    config = json.loads((module / "config.json").read_text())
    (module / "config.json").write_text(json.dumps({**config, "num_hidden_layers": len(weights)}))
    save_file({"layer_weights": np.array(weights, np.float32)}, module / "model.safetensors")


def _pickled_code(folder: Path) -> None:
    import torch

    torch.save({"linear.weight": Path("/")}, folder / "2_Dense/pytorch_model.bin")  # a class that is no tensor
    (folder / "2_Dense/model.safetensors").unlink()


def _transformer_below(folder: Path) -> None:
    below = folder / "0_Transformer"
    below.mkdir()
    for path in list(folder.iterdir()):
        if path.is_file() and path.name not in ("modules.json", _MODEL):
            shutil.move(path, below)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))


def _half(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({n: t.astype(np.float16) for n, t in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def _older_name(folder: Path) -> None:
    (folder / _BERT).rename(folder / "sentence_roberta_config.json")


def _newer_places(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "sentence_transformers.base.modules.transformer.Transformer"
    modules[1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))


def _pooling_elsewhere(folder: Path) -> None:
    (folder / "1_Pooling").rename(folder / "pool")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "pool"
    (folder / "modules.json").write_text(json.dumps(modules))


LAYOUTS = (*_modules(), *_keys(), *_limits(), *_folders(), *_steps())
