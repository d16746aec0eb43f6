"""Tokenizers of the common kinds, small: characters, some pieces of words, and special tokens."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

LETTERS = [*string.ascii_letters, *string.digits, *string.punctuation, *"éàüñßσς中文字日本ａ—“”…ı"]
PIECES = ["the", "The", "ing", "er", "wor", "word", "re", "st", "en", "qu", "ick", "brown", "fox", "sen", "ten", "ce"]


def wordpiece(folder: Path, **settings: Any) -> None:
    """BERT's kind."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *LETTERS, *PIECES, *(f"##{piece}" for piece in [*LETTERS, *PIECES])]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    write(folder, tokenizer, {"tokenizer_class": "BertTokenizer", "mask_token": "[MASK]", **names, **settings})


def byte_level(folder: Path, *, closes: bool = True, **settings: Any) -> None:
    """RoBERTa's kind, or GPT-2's where it does not close texts."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("in", "g"), ("Ġ", "the"), ("e", "r"), ("Ġ", "w")]
    words = [*special, *alphabet, *(left + right for left, right in merges)]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, lstrip=word == "<mask>") for word in special])
    if closes:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    if closes:
        names |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    kind = "RobertaTokenizer" if closes else "GPT2Tokenizer"
    write(folder, tokenizer, {"tokenizer_class": kind, **names, **settings})


def unigram(folder: Path, template: str = "<s> $A </s>", kind: str = "XLMRobertaTokenizer", **settings: Any) -> None:
    """SentencePiece's kind, as XLM-RoBERTa and, with another template, T5 and ALBERT have it."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if kind == "T5Tokenizer":
        special = ["<pad>", "</s>", "<unk>", "<s>", "<mask>"]
    pieces = ["▁", *(f"▁{piece}" for piece in PIECES), *LETTERS, *PIECES]
    vocabulary = [(word, 0.0) for word in special]
    vocabulary += [(word, -2.0 - 0.01 * index) for index, word in enumerate(dict.fromkeys(pieces))]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=special.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(word, lstrip=word == "<mask>") for word in special])
    ids = [(word, special.index(word)) for word in ("<s>", "</s>") if word in template]
    tokenizer.post_processor = processors.TemplateProcessing(template, special_tokens=ids)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    if kind != "T5Tokenizer":
        names |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    write(folder, tokenizer, {"tokenizer_class": kind, **names, **settings})


def llama(folder: Path, *, kind: str = "LlamaTokenizer", **settings: Any) -> None:
    """LLaMA's kind: BPE over `▁` with bytes to fall back on, opened and not closed."""
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("i", "n"), ("in", "g"), ("▁", "w")]
    words = [*special, *bytes_, "▁", *LETTERS, *(left + right for left, right in merges)]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write(folder, tokenizer, {"tokenizer_class": kind, **names, **settings})


def words(folder: Path, *, kind: str = "PreTrainedTokenizerFast", **settings: Any) -> None:
    """Whole words, read by transformers' general class."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    known = [*special, *PIECES, *LETTERS, "sentence", "and", "with", "numbers", "fox."]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(known))}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    # As published tokenizers often have it; neither may have an effect.
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    write(folder, tokenizer, {"tokenizer_class": kind, "mask_token": "[MASK]", **names, **settings})


def write(folder: Path, tokenizer: Tokenizer, settings: dict[str, Any]) -> None:
    """tokenizer.json and tokenizer_config.json; a setting of None is left out."""
    tokenizer.save(str(folder / "tokenizer.json"))
    kept = {key: value for key, value in {"model_max_length": 40, **settings}.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept))


MAKERS: dict[str, Callable[..., None]] = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "unigram": unigram,
    "llama": llama,
    "words": words,
}
