"""Tiny models of many families, made from the configuration classes of transformers, the same on every machine.

Nothing here knows an architecture: a configuration's numbers are made small by their names. What a family needs beyond
that is in its line of the table. Needs `transformers` and `torch`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_registry.testing.formats import safetensors_bytes

VOCABULARY = 512

ONE_LABEL = {"id2label": {0: "score"}, "label2id": {"score": 0}}


@dataclass(frozen=True)
class Family:
    """A line of the table.

    Attributes:
        name: as transformers calls the model type.
        kind: what the family stands for.
        head: the class in transformers.
        task: that the registry must conclude; empty when none belongs to the class.
        reads_text: whether it comes with a tokenizer.
        changes: of the configuration, beside what its numbers' names say.
    """

    name: str
    kind: str
    head: str
    task: str
    reads_text: bool = True
    changes: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = (
    Family("bert", "encoder", "BertModel", "embed"),
    Family("deberta-v2", "encoder", "DebertaV2ForSequenceClassification", "classify"),
    Family("roberta", "encoder", "RobertaForTokenClassification", "token-classify"),
    Family("xlm-roberta", "encoder", "XLMRobertaForSequenceClassification", "rerank", changes=ONE_LABEL),
    Family("llama", "decoder", "LlamaForCausalLM", "generate"),
    Family("gpt2", "decoder", "GPT2LMHeadModel", "generate"),
    Family("qwen2", "decoder", "Qwen2ForCausalLM", "generate"),
    Family("t5", "encoder-decoder", "T5ForConditionalGeneration", "generate"),
    Family("bart", "encoder-decoder", "BartForConditionalGeneration", "generate"),
    Family("vit", "vision", "ViTForImageClassification", "classify", reads_text=False),
    Family("segformer", "vision", "SegformerForSemanticSegmentation", "segment", reads_text=False),
    Family("whisper", "speech", "WhisperForConditionalGeneration", "transcribe"),
    Family("wav2vec2", "speech", "Wav2Vec2ForCTC", "transcribe"),
    Family("gemma3", "image and text", "Gemma3ForConditionalGeneration", "generate"),
    Family("qwen3_moe", "mixture of experts", "Qwen3MoeForCausalLM", "generate"),
    Family("mamba", "state space", "MambaForCausalLM", "generate"),
)

_SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

#: The end of a number's name -> what it becomes; the first that fits counts.
_SMALL = tuple(
    (re.compile(rf"(.*_)?({names})"), value)
    for names, value in (
        ("num_key_value_heads", 2),
        ("attention_heads|num_heads|n_head", 4),
        ("hidden_layers|num_layers|n_layer|encoder_layers|decoder_layers|num_encoder_blocks", 2),
        ("intermediate_size|ffn_dim|d_ff|n_inner", 64),
        ("head_dim|d_kv|query_pre_attn_scalar", 8),
        ("hidden_size|d_model|n_embd|projection_dim", 32),
        ("num_experts|num_local_experts", 4),
        ("experts_per_tok", 2),
        ("vocab_size", VOCABULARY),
        ("max_position_embeddings|n_positions|max_source_positions|max_target_positions", 128),
        ("state_size", 8),
        ("image_size", 32),
        ("patch_size", 8),
        ("num_mel_bins", 16),
    )
)
_TOKEN = re.compile(r".*token_(id|index)")


def build(family: Family, folder: Path, seed: int = 0) -> Path:
    """Saves the family's tiny model in an empty folder, as safetensors, with a tokenizer if it reads text."""
    import torch
    import transformers

    head = getattr(transformers, family.head)
    config = head.config_class.from_dict(_shrunk(head.config_class().to_dict()) | dict(family.changes))
    torch.manual_seed(seed)
    head(config).save_pretrained(folder)
    if family.reads_text:
        _tokenizer().save_pretrained(folder)
    return folder


def pipeline_folder(folder: Path) -> Path:
    """Saves a folder of parts that model_index.json names, as diffusers saves one."""
    parts = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    for number, part in enumerate(parts):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps({"_class_name": parts[part][1]}))
        weights = safetensors_bytes({f"{part}.weight": ("F16", [8, 8])}, fill=number)
        (folder / part / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"} | parts))
    return folder


def _shrunk(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _small(name, value) for name, value in values.items() if name != "layer_types"}


def _small(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _shrunk(value)
    if type(value) is not int:
        return value
    if _TOKEN.fullmatch(name):
        return value % VOCABULARY
    return next((small for pattern, small in _SMALL if pattern.fullmatch(name)), value)


def _tokenizer() -> Any:
    """Makes a tokenizer of one token a byte, and a few beside."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*_SPECIAL.values(), *sorted(pre_tokenizers.ByteLevel.alphabet())]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(numbers, [], unk_token=_SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_SPECIAL)
