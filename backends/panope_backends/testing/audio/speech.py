"""Tiny seeded models of speech in transformers' layout; those of the generation core have windows of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LANGUAGES = {"<|en|>": 104, "<|de|>": 105}
TASKS = {"translate": 106, "transcribe": 107}
WINDOW_SECONDS = 1

_WORDS = 100
_SPECIAL = ("<|endoftext|>", "<|startofprev|>", "<|startoftranscript|>", "<|nospeech|>", *LANGUAGES)
_VOCABULARY = 160
_GENERATION = {
    "decoder_start_token_id": 102,
    "eos_token_id": 100,
    "pad_token_id": 100,
    "bos_token_id": 100,
    "max_length": 40,
}


def tiny_whisper(folder: Path, seed: int = 0) -> Any:
    """Writes a Whisper of two languages, and gives transformers' model of it."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=_VOCABULARY,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_mel_bins=20,
        max_source_positions=50 * WINDOW_SECONDS,
        max_target_positions=40,
        pad_token_id=100,
        bos_token_id=100,
        eos_token_id=100,
        decoder_start_token_id=102,
        init_std=0.5,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config).eval()
    model.generation_config = GenerationConfig(
        **_GENERATION,
        lang_to_id=LANGUAGES,
        task_to_id=TASKS,
        is_multilingual=True,
        no_timestamps_token_id=108,
        prev_sot_token_id=101,
        max_initial_timestamp_index=20,
        suppress_tokens=[3, 4, 101, 102],
        begin_suppress_tokens=[5, 100],
        return_timestamps=False,
        alignment_heads=[[0, 1], [1, 0], [1, 3]],
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=20, chunk_length=WINDOW_SECONDS).save_pretrained(folder)
    times = [f"<|{index * 0.02:.2f}|>" for index in range(_VOCABULARY - 109)]
    write_word_tokenizer(folder, [*_SPECIAL, "<|translate|>", "<|transcribe|>", "<|notimestamps|>"], times)
    return model


def tiny_moonshine(folder: Path, seed: int = 0) -> Any:
    """Writes a Moonshine, and gives transformers' model of it."""
    import torch
    from transformers import (
        GenerationConfig,
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        Wav2Vec2FeatureExtractor,
    )

    torch.manual_seed(seed)
    config = MoonshineConfig(
        vocab_size=_VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=4,
        decoder_num_attention_heads=4,
        encoder_num_key_value_heads=4,
        decoder_num_key_value_heads=4,
        max_position_embeddings=64,
        initializer_range=0.5,
        bos_token_id=102,
        eos_token_id=100,
        decoder_start_token_id=102,
        pad_token_id=100,
    )
    model = MoonshineForConditionalGeneration(config).eval()
    model.generation_config = GenerationConfig(**_GENERATION)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    # Its own tokenizer has none of Whisper's special tokens, which would say what it does not do.
    write_word_tokenizer(folder, [f"<<ST_{index}>>" if index else each for index, each in enumerate(_SPECIAL)], [])
    return model


def tiny_ctc(folder: Path, seed: int = 0, kind: str = "Wav2Vec2", *, lower: bool = False, **sizes: Any) -> Any:
    """Writes a model with a CTC head, and gives transformers' model of it.

    Args:
        folder: to write to.
        seed: of its weights.
        kind: what its classes' names begin with.
        lower: whether its letters are told in lower case.
        sizes: of its configuration, in the place of tiny ones.
    """
    import torch
    import transformers

    torch.manual_seed(seed)
    signs = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOIN"]
    tiny: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": (8,) * 7,
        "conv_stride": (5, 2, 2, 2, 2, 2, 2),
        "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
        "num_feat_extract_layers": 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(signs), pad_token_id=0, **tiny | sizes)
    model = getattr(transformers, f"{kind}ForCTC")(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights += torch.randn_like(weights) * 0.3  # else every frame is the same sign
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({sign: index for index, sign in enumerate(signs)}))
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), do_lower_case=lower).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return model


def write_word_tokenizer(folder: Path, special: list[str], times: list[str]) -> None:
    """A word for each id, then special tokens, then times, which are no special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words = {f"Ġw{index}": index for index in range(_WORDS)}  # a space, as byte-level tokenizers write it
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="Ġw0"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in special])
    tokenizer.add_tokens([AddedToken(each, special=False) for each in times])
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
