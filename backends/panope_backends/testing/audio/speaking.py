"""Tiny seeded models that speak, in transformers' layout. Needs transformers and PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHARACTERS = "_abcdefghijklmnopqrstuvwxyz' "
RATE = 16_000


def tiny_vits(folder: Path, seed: int = 0, *, voices: int = 1, **sizes: Any) -> Any:
    """Writes a VITS that speaks lower-case letters, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        voices: how many it has.
        sizes: of its configuration, in the place of tiny ones.
    """
    import torch
    from transformers import VitsConfig, VitsModel

    torch.manual_seed(seed)
    tiny: dict[str, Any] = {
        "vocab_size": len(CHARACTERS),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 16,
        "flow_size": 16,
        "spectrogram_bins": 9,
        "use_stochastic_duration_prediction": False,
        "duration_predictor_filter_channels": 8,
        "prior_encoder_num_flows": 2,
        "prior_encoder_num_wavenet_layers": 1,
        "posterior_encoder_num_wavenet_layers": 1,
        "upsample_initial_channel": 16,
        "upsample_rates": [8, 8],
        "upsample_kernel_sizes": [16, 16],
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1]],
        "sampling_rate": RATE,
        "num_speakers": voices,
        "speaker_embedding_size": 8 if voices > 1 else 0,
        "initializer_range": 0.2,
    }
    config = VitsConfig(**tiny | sizes)
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


def tiny_speecht5(folder: Path, seed: int = 0) -> tuple[Any, Any]:
    """Writes a SpeechT5 with its vocoder and the voices `ada` and `bob`; gives transformers' models of both."""
    import numpy as np
    import torch
    from safetensors.numpy import save_file
    from transformers import SpeechT5Config, SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5HifiGanConfig

    torch.manual_seed(seed)
    bands, width = 8, 4
    config = SpeechT5Config(
        vocab_size=_write_characters(folder),
        hidden_size=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_mel_bins=bands,
        speech_decoder_prenet_units=16,
        speech_decoder_postnet_layers=2,
        speech_decoder_postnet_units=8,
        speech_decoder_postnet_kernel=3,
        speaker_embedding_dim=width,
        reduction_factor=2,
        max_text_positions=80,
        max_speech_positions=400,
        initializer_range=0.3,
    )
    model = SpeechT5ForTextToSpeech(config).eval()
    with torch.no_grad():
        model.speech_decoder_postnet.prob_out.bias -= 2.0  # else the first step is the last
    model.save_pretrained(folder)
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=bands,
            sampling_rate=RATE,
            upsample_initial_channel=16,
            upsample_rates=[8, 8],
            upsample_kernel_sizes=[16, 16],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            initializer_range=0.2,
        )
    ).eval()
    vocoder.save_pretrained(folder / "vocoder")
    random = np.random.default_rng(seed)
    voices = {name: random.standard_normal(width).astype(np.float32) for name in ("ada", "bob")}
    save_file(voices, folder / "speaker_embeddings.safetensors")
    return model, vocoder


def _write_characters(folder: Path) -> int:
    """Writes the tokenizer of SpeechT5, of lower-case letters; how many tokens it has."""
    import io

    import sentencepiece
    from transformers import SpeechT5Tokenizer

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(CHARACTERS[1:-2])] * 8),
        model_writer=file,
        model_type="char",
        vocab_size=32,
        pad_id=1,
        bos_id=0,
        eos_id=2,
        unk_id=3,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "spm_char.model").write_bytes(file.getvalue())
    tokenizer = SpeechT5Tokenizer(str(folder / "spm_char.model"))
    tokenizer.save_pretrained(folder)
    return len(tokenizer)
