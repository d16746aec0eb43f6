"""Tiny seeded models that write the text of images, TrOCR and Donut, in transformers' layout, the same each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panope_backends.testing.audio.speech import write_word_tokenizer

EOS, PAD, START = 100, 101, 102

DONUT_PROMPT = "<s_receipt>"
"""What a tiny Donut parses after, and questions are asked after `<s_docvqa>`."""

_SPECIAL = ("<|endoftext|>", "<pad>", "<s>")
_TAGS = (
    DONUT_PROMPT,
    *("<s_docvqa>", "<s_question>", "</s_question>", "<s_answer>", "</s_answer>"),
    *("<s_menu>", "</s_menu>", "<s_name>", "</s_name>", "<sep/>"),
)
_VOCABULARY, _POSITIONS = 160, 40


def tiny_trocr(folder: Path, seed: int = 0, *, learned_positions: bool = True) -> Any:
    """Writes a TrOCR, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        learned_positions: whether its decoder has a table of positions, as models for handwriting do, or sines.
    """
    from transformers import TrOCRConfig, ViTConfig, ViTImageProcessorPil

    encoder = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        initializer_range=0.5,
    )
    decoder = TrOCRConfig(
        **_decoder(decoder_attention_heads=4),
        cross_attention_hidden_size=32,
        use_learned_position_embeddings=learned_positions,
        layernorm_embedding=learned_positions,
    )
    made = _written(folder, seed, encoder, decoder, START)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    write_word_tokenizer(folder, list(_SPECIAL), [])
    return made


def tiny_donut(folder: Path, seed: int = 0) -> Any:
    """Writes a Donut that parses documents and answers questions about them, and gives transformers' model of it."""
    from transformers import DonutImageProcessorPil, DonutSwinConfig, MBartConfig

    encoder = DonutSwinConfig(
        image_size=[64, 96],
        patch_size=4,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=4,
        initializer_range=0.5,
    )
    decoder = MBartConfig(
        **_decoder(decoder_attention_heads=4), scale_embedding=True, add_final_layer_norm=True, forced_eos_token_id=EOS
    )
    made = _written(folder, seed, encoder, decoder, EOS + len(_SPECIAL))
    DonutImageProcessorPil(size={"height": 64, "width": 96}, do_align_long_axis=False).save_pretrained(folder)
    write_word_tokenizer(folder, [*_SPECIAL, *_TAGS], [])
    return made


def _decoder(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": _VOCABULARY,
        "d_model": 24,
        "decoder_layers": 2,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": _POSITIONS,
        "init_std": 0.5,
        "is_decoder": True,
        "add_cross_attention": True,
        "pad_token_id": PAD,
        "bos_token_id": START,
        "eos_token_id": EOS,
        "decoder_start_token_id": START,
        **more,
    }


def _written(folder: Path, seed: int, encoder: Any, decoder: Any, start: int) -> Any:
    import torch
    from transformers import GenerationConfig, VisionEncoderDecoderConfig, VisionEncoderDecoderModel
    from transformers.utils import logging

    torch.manual_seed(seed)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = VisionEncoderDecoderModel(config).eval()
    ids = {"decoder_start_token_id": start, "eos_token_id": EOS, "pad_token_id": PAD}
    for name, value in ids.items():
        setattr(model.config, name, value)
    model.generation_config = GenerationConfig(**ids, max_length=_POSITIONS, bad_words_ids=[[3]])
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    return model
