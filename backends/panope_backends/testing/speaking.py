"""Tiny seeded models that speak, in transformers' layout. Needs transformers and PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHARACTERS = "_abcdefghijklmnopqrstuvwxyz' "
RATE = 16_000


def tiny_vits(folder: Path, seed: int = 0, *, voices: int = 1) -> Any:
    """Writes a VITS that speaks lower-case letters, and gives transformers' model of it."""
    import torch
    from transformers import VitsConfig, VitsModel

    torch.manual_seed(seed)
    config = VitsConfig(
        vocab_size=len(CHARACTERS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=9,
        use_stochastic_duration_prediction=False,
        duration_predictor_filter_channels=8,
        prior_encoder_num_flows=2,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        upsample_initial_channel=16,
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        sampling_rate=RATE,
        num_speakers=voices,
        speaker_embedding_size=8 if voices > 1 else 0,
        initializer_range=0.2,
    )
    model = VitsModel(config).eval()
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({sign: index for index, sign in enumerate(CHARACTERS)}))
    told = {
        "tokenizer_class": "VitsTokenizer",
        "add_blank": True,
        "is_uroman": False,
        "normalize": True,
        "phonemize": False,
        "pad_token": "_",
        "unk_token": "_",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return model
