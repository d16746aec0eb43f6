"""Tiny seeded models of speech as fairseq's were published: spectra of any length, and SentencePiece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panope_backends.testing.translators import write_pieces

BANDS = 20
MOST_TOKENS = 20
"""Of an answer, what its decoder starts with included."""


def tiny_speech_to_text(folder: Path, seed: int = 2, **changes: Any) -> Any:
    """Writes a Speech2Text, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        changes: to its configuration.
    """
    import torch
    from transformers import (
        GenerationConfig,
        Speech2TextConfig,
        Speech2TextFeatureExtractor,
        Speech2TextForConditionalGeneration,
    )

    folder.mkdir(parents=True, exist_ok=True)
    words = write_pieces(folder)
    torch.manual_seed(seed)
    config = Speech2TextConfig(
        vocab_size=len(words),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_source_positions=100,
        max_target_positions=64,
        conv_channels=32,
        input_feat_per_channel=BANDS,
        init_std=0.5,
        **changes,
    )
    model = Speech2TextForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "norm" not in name:
                weights *= 2  # else it says the same of all audio
    model.generation_config = GenerationConfig(
        decoder_start_token_id=2, eos_token_id=2, bos_token_id=0, pad_token_id=1, max_length=MOST_TOKENS
    )
    model.save_pretrained(folder)
    Speech2TextFeatureExtractor(feature_size=BANDS, num_mel_bins=BANDS).save_pretrained(folder)
    told = {"tokenizer_class": "Speech2TextTokenizer", "do_upper_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return model


LANGUAGES = ("eng", "fra", "deu")
"""Of tiny SeamlessM4T."""


def tiny_seamless(folder: Path, seed: int = 2, version: str = "", kind: str = "SpeechToText", **changes: Any) -> Any:
    """Writes a SeamlessM4T of three languages, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        version: `v2`, or nothing for the first.
        kind: what its class does, as the end of its name says it.
        changes: to its configuration.
    """
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    words = _write_letters(folder)
    torch.manual_seed(seed)
    config = getattr(transformers, f"SeamlessM4T{version}Config")(
        vocab_size=words,
        hidden_size=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        speech_encoder_layers=2,
        speech_encoder_attention_heads=4,
        speech_encoder_intermediate_size=64,
        feature_projection_input_dim=2 * BANDS,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        max_position_embeddings=128,
        initializer_range=0.3,
        **changes,
    )
    model = getattr(transformers, f"SeamlessM4T{version}For{kind}")(config).eval()
    with torch.no_grad():
        model.shared.weight *= 0.25  # else it repeats what it said last
        for name, weights in model.text_decoder.named_parameters():
            if "norm" not in name and "embed" not in name:
                weights *= 4
    first = words - len(LANGUAGES)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=3,
        eos_token_id=3,
        bos_token_id=2,
        pad_token_id=0,
        max_new_tokens=MOST_TOKENS,
        text_decoder_lang_to_code_id={code: first + place for place, code in enumerate(LANGUAGES)},
    )
    model.save_pretrained(folder)
    transformers.SeamlessM4TFeatureExtractor(feature_size=BANDS, num_mel_bins=BANDS).save_pretrained(folder)
    return model


def _write_letters(folder: Path) -> int:
    """Writes a tokenizer of letters and some pairs of them, and gives how many tokens it has."""
    from transformers import SeamlessM4TTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz.,?ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pairs = [("t", "h"), ("th", "e"), ("i", "n"), ("▁", "a"), ("▁", "the"), ("e", "r")]
    tokens = ["<pad>", "<unk>", "<s>", "</s>", "▁", *letters, *("".join(pair) for pair in pairs)]
    tokenizer = SeamlessM4TTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=pairs,
        additional_special_tokens=[f"__{code}__" for code in LANGUAGES],
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)
