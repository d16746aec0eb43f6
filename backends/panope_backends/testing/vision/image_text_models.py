"""Small seeded image-text models of several families for tests, with processors. Needs transformers and Pillow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts

POSITIONS = 400

_TEXT: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_CLIP: Mapping[str, Any] = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 30,
    "patch_size": 10,
    "projection_dim": 32,
}

#: Tokens after those that `_words` makes; the number is their id.
_SPECIAL = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3}

#: As chat templates of image-text models write: whole messages, or their parts one after another.
_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}</s>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

#: Name -> what an image is in a prompt, and the special tokens that the family's processor writes.
IMAGE_TEXT_FAMILIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "llava": ("<image>", ("<image>",)),
    "qwen2-vl": ("<|vision_start|><|image_pad|><|vision_end|>", ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>")),
    "idefics3": (
        "<image>",
        ("<image>", "<fake_token_around_image>", "<global-img>", "<row_1_col_1>", "<end_of_utterance>"),
    ),
}


def tiny_image_text_model(folder: Path, family: str = "llava") -> ModelFacts:
    """Writes a seeded model as safetensors, with its tokenizer, its chat template and its processor.

    Args:
        folder: where to.
        family: one of `IMAGE_TEXT_FAMILIES`.
    """
    import torch
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    tokenizer = _tokenizer(IMAGE_TEXT_FAMILIES[family][1])
    place, _ = IMAGE_TEXT_FAMILIES[family]
    template = _TEMPLATE.replace("IMAGE", place)
    config = _config(family, tokenizer)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    _write(folder / "chat_template.jinja", template)
    for name, content in _processor_files(family).items():
        _write(folder / name, json.dumps(content))
    parsed = json.loads((folder / "config.json").read_text())
    return ModelFacts(f"test/tiny-{family}", "safetensors", "generate", parsed["architectures"][0], parsed)


def _tokenizer(special: Sequence[str]) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    kept = [character for character in characters if character.isascii() or character in "ĠĊ"]
    vocabulary = {**_SPECIAL, **{each: number for number, each in enumerate(kept, len(_SPECIAL))}}
    made = Tokenizer(
        models.BPE(
            vocabulary,
            [],
            unk_token="<unk>",  # noqa: S106 - a token of texts
        )
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(
        [AddedToken(each, special=True) for each in (*_SPECIAL, *special, "<|user|>", "<|assistant|>")]
    )
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), _SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def _config(family: str, tokenizer: Any) -> Any:
    from transformers import AutoConfig

    ids, text = tokenizer.convert_tokens_to_ids, {**_TEXT, "vocab_size": len(tokenizer)}
    if family == "llava":
        return AutoConfig.for_model(
            "llava",
            vision_config=dict(_CLIP),
            text_config={"model_type": "llama", **text},
            image_token_id=ids("<image>"),
            image_seq_length=9,
            tie_word_embeddings=False,
        )
    if family == "qwen2-vl":
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
        return AutoConfig.for_model(
            "qwen2_vl",
            text_config={"model_type": "qwen2_vl_text", **text, "rope_parameters": rope},
            vision_config={
                "depth": 2,
                "embed_dim": 32,
                "hidden_size": 64,
                "num_heads": 2,
                "patch_size": 4,
                "mlp_ratio": 2,
            },
            image_token_id=ids("<|image_pad|>"),
            video_token_id=ids("<|video_pad|>"),
            vision_start_token_id=ids("<|vision_start|>"),
            tie_word_embeddings=False,
        )
    return AutoConfig.for_model(
        "idefics3",
        text_config={"model_type": "llama", **text},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        image_token_id=ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )


def _processor_files(family: str) -> Mapping[str, Mapping[str, Any]]:
    normal = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    if family == "llava":
        return {
            "preprocessor_config.json": {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": 30},
                "crop_size": {"height": 30, "width": 30},
                **normal,
            },
            "processor_config.json": {
                "processor_class": "LlavaProcessor",
                "patch_size": 10,
                "vision_feature_select_strategy": "default",
                "image_token": "<image>",
                "num_additional_image_tokens": 1,
            },
        }
    if family == "qwen2-vl":
        return {
            "preprocessor_config.json": {
                "image_processor_type": "Qwen2VLImageProcessor",
                "processor_class": "Qwen2VLProcessor",
                "patch_size": 4,
                "temporal_patch_size": 2,
                "merge_size": 2,
                "min_pixels": 64,
                "max_pixels": 2048,
                **normal,
            }
        }
    return {
        "preprocessor_config.json": {
            "image_processor_type": "Idefics3ImageProcessor",
            "processor_class": "Idefics3Processor",
            "size": {"longest_edge": 64},
            "max_image_size": {"longest_edge": 32},
            "do_image_splitting": True,
            "do_pad": True,
            **normal,
        },
        "processor_config.json": {"processor_class": "Idefics3Processor", "image_seq_len": 4},
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text)
