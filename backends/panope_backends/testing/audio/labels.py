"""Tiny seeded models that say which labels fit audio, in transformers' layout. Needs transformers and PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LABELS = ("silence", "dog", "rain", "siren")

_CONVOLUTIONS = {
    "conv_dim": (8,) * 7,
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "num_feat_extract_layers": 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 8,
}
_SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}

#: Models of waveforms, which are told apart by what is between their convolutions and their head.
_WAVEFORMS = {
    "wav2vec2": "Wav2Vec2",
    "wav2vec2-conformer": "Wav2Vec2Conformer",
    "hubert": "Hubert",
    "wavlm": "WavLM",
    "unispeech": "UniSpeech",
    "unispeech-sat": "UniSpeechSat",
    "data2vec-audio": "Data2VecAudio",
    "sew": "SEW",
    "sew-d": "SEWD",
}
_BANDS = {"max_length": 100, "num_mel_bins": 16}

#: By `model_type`: what the classes' names begin with, the end of the model's, and what is small of it.
_MODELS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    **{kind: (name, "ForSequenceClassification", _SMALL | _CONVOLUTIONS) for kind, name in _WAVEFORMS.items()},
    "audio-spectrogram-transformer": ("AST", "ForAudioClassification", _SMALL | _BANDS),
    "whisper": (
        "Whisper",
        "ForAudioClassification",
        {
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "num_mel_bins": 20,
            "max_source_positions": 50,
            "classifier_proj_size": 8,
        },
    ),
    "wav2vec2-bert": ("Wav2Vec2Bert", "ForSequenceClassification", {**_SMALL, "feature_projection_input_dim": 160}),
}

KINDS = tuple(_MODELS)
"""Types of models that can be written."""


def tiny_audio_classifier(folder: Path, kind: str, seed: int = 0, **sizes: Any) -> Any:
    """Writes a model of four labels, and gives transformers' own of it; those of spectra hear a second.

    Args:
        folder: to write to.
        kind: one of `KINDS`.
        seed: of its weights.
        sizes: of its configuration, in the place of tiny ones.
    """
    import torch
    import transformers

    torch.manual_seed(seed)
    name, head, tiny = _MODELS[kind]
    small = {**tiny, **sizes}
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    config = getattr(transformers, f"{name}Config")(**small, **labels)
    model = getattr(transformers, f"{name}{head}")(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights += torch.randn_like(weights) * 0.2  # else all labels are alike
    model.save_pretrained(folder)
    _extractor(kind, small).save_pretrained(folder)
    return model


def _extractor(kind: str, small: Mapping[str, Any]) -> Any:
    import transformers

    if kind == "audio-spectrogram-transformer":
        return transformers.ASTFeatureExtractor(num_mel_bins=small["num_mel_bins"], max_length=small["max_length"])
    if kind == "whisper":
        return transformers.WhisperFeatureExtractor(feature_size=small["num_mel_bins"], chunk_length=1)
    if kind == "wav2vec2-bert":
        return transformers.SeamlessM4TFeatureExtractor()
    return transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False)
