"""Tiny seeded models that write of images, in transformers' layout: BLIP, BLIP-2, PaliGemma, GIT, a ViT with GPT-2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from panope_backends.testing.audio.speech import write_word_tokenizer

END, PAD, START, IMAGE = 100, 101, 102, 103
SIDE = 32
"""Of the images that they see, in pixels."""

_SPECIAL = ("<sep>", "<pad>", "<bos>")
_WORDS, _POSITIONS = 104, 40
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_VISION = {**_SIZES, "image_size": SIDE, "patch_size": 8, "initializer_range": 0.5}
_TEXT = {**_SIZES, "vocab_size": _WORDS, "max_position_embeddings": _POSITIONS, "initializer_range": 0.5}


def tiny_blip(folder: Path, seed: int = 0, *, questions: bool = False) -> Any:
    """Writes a BLIP that captions, or that answers questions, and gives transformers' model of it."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipForQuestionAnswering, BlipImageProcessorPil

    text = {**_TEXT, "encoder_hidden_size": 32, "bos_token_id": START, "sep_token_id": END, "pad_token_id": PAD}
    config = BlipConfig(text_config=text, vision_config=_VISION, projection_dim=32, image_text_hidden_size=32)
    kind = BlipForQuestionAnswering if questions else BlipForConditionalGeneration
    made = _written(folder, seed, lambda: kind(config))
    BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return made


def tiny_git(folder: Path, seed: int = 0) -> Any:
    """Writes a GIT, and gives transformers' model of it."""
    from transformers import CLIPImageProcessorPil, GitConfig, GitForCausalLM

    ids = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
    config = GitConfig(vision_config=_VISION, **_TEXT, **ids)
    made = _written(folder, seed, lambda: GitForCausalLM(config))
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )
    return made


def tiny_vit_gpt2(folder: Path, seed: int = 0) -> Any:
    """Writes a ViT with GPT-2's decoder, and gives transformers' model of it."""
    from transformers import (
        GenerationConfig,
        GPT2Config,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessorPil,
    )

    ids = {"decoder_start_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
    decoder = GPT2Config(
        vocab_size=_WORDS,
        n_positions=_POSITIONS,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.5,
        add_cross_attention=True,
        is_decoder=True,
        bos_token_id=START,
        eos_token_id=END,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**_VISION), decoder)

    def model() -> Any:
        made = VisionEncoderDecoderModel(config)
        for name, value in ids.items():
            setattr(made.config, name, value)
        made.generation_config = GenerationConfig(**ids)
        return made

    made = _written(folder, seed, model)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return made


def tiny_blip_2(folder: Path, seed: int = 0) -> Any:
    """Writes a BLIP-2 with OPT's decoder, and gives transformers' model of it."""
    from transformers import OPTConfig

    ids = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
    text = OPTConfig(
        vocab_size=_WORDS,
        max_position_embeddings=_POSITIONS,
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        init_std=0.5,
        **ids,
    )
    return _written_blip_2(folder, seed, text)


def tiny_blip_2_t5(folder: Path, seed: int = 0) -> Any:
    """Writes a BLIP-2 with T5, and gives transformers' model of it."""
    from transformers import T5Config

    text = T5Config(
        vocab_size=_WORDS,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        initializer_factor=8.0,
        decoder_start_token_id=PAD,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    return _written_blip_2(folder, seed, text)


def tiny_paligemma(folder: Path, seed: int = 1, words: str = "gemma") -> Any:
    """Writes a PaliGemma, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        words: the type of its language model; of PaliGemma 2 it is `gemma2`.
    """
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, SiglipImageProcessorPil

    ids = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
    text = {**_TEXT, **ids, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
    config = PaliGemmaConfig(
        vision_config={**_VISION, "vision_use_head": False, "projection_dim": 32, "model_type": "siglip_vision_model"},
        text_config={**text, "model_type": words},
        image_token_index=IMAGE,
        projection_dim=32,
        hidden_size=32,
        **ids,
    )

    def model() -> Any:
        import torch

        made = PaliGemmaForConditionalGeneration(config)
        with torch.no_grad():
            made.get_input_embeddings().weight *= 0.2  # else it repeats what it read last
        return made

    made = _written(folder, seed, model)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return made


CAPTIONERS: Mapping[str, Callable[[Path], Any]] = {
    "blip": tiny_blip,
    "git": tiny_git,
    "blip-2": tiny_blip_2,
    "blip-2-t5": tiny_blip_2_t5,
    "paligemma": tiny_paligemma,
    "paligemma-2": partial(tiny_paligemma, words="gemma2"),
    "vit-gpt2": tiny_vit_gpt2,
}
"""Those that write what is on an image."""


def _written_blip_2(folder: Path, seed: int, text: Any) -> Any:
    """A BLIP-2 with a language model of a configuration."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration, BlipImageProcessorPil

    queries = {**_SIZES, "vocab_size": _WORDS, "encoder_hidden_size": 32, "initializer_range": 0.5}
    config = Blip2Config(
        vision_config=_VISION,
        qformer_config=queries,
        text_config=text.to_dict(),
        num_query_tokens=4,
        image_token_index=IMAGE,
        initializer_range=0.5,
    )

    def model() -> Any:
        import torch

        made = Blip2ForConditionalGeneration(config)
        torch.nn.init.normal_(made.query_tokens)  # zeros, which training changes
        return made

    made = _written(folder, seed, model)
    BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return made


def _written(folder: Path, seed: int, model: Callable[[], Any]) -> Any:
    import torch
    from transformers.utils import logging

    torch.manual_seed(seed)
    made = model().eval()
    logging.disable_progress_bar()
    made.save_pretrained(folder)
    write_word_tokenizer(folder, list(_SPECIAL), [])
    return made
