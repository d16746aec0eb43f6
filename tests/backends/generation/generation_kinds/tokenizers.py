"""Small tokenizers of every kind that decoders have, with special tokens `<s>` and `</s>`."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

SPECIAL = ["<s>", "</s>"]
_LETTERS = list("abcdefghijklmnopqrstuvwxyz.,!?éß中文\N{REPLACEMENT CHARACTER}")
_BYTES = [f"<0x{number:02X}>" for number in range(256)]


def byte_level() -> Tokenizer:
    """GPT-2's, Llama 3's and Qwen's."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("ä", "½"), ("ð", "Ł"), ("ĺ", "Ģ"), ("½", "ł")]
    words = [*SPECIAL, *alphabet, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("né 中", normalized=False)])
    return _with_special(tokenizer)


def sentencepiece() -> Tokenizer:
    """Llama 2's, Mistral's and Gemma's: `▁` for spaces, bytes to fall back on."""
    words = [*SPECIAL, "<unk>", *_BYTES, "▁", *_LETTERS, "▁a", "▁the", "he"]
    merges = [("▁", "a"), ("h", "e")]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _with_special(tokenizer)


def unigram() -> Tokenizer:
    """T5's: Metaspace, and no bytes."""
    words = [*SPECIAL, "<unk>", "▁", *_LETTERS, "▁a", "▁the", "he"]
    tokenizer = Tokenizer(models.Unigram([(word, -1.0 - place / 9) for place, word in enumerate(words)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _with_special(tokenizer)


def wordpiece() -> Tokenizer:
    """BERT's: words apart, `##` where they go on, blanks before full stops removed."""
    words = [*SPECIAL, "[UNK]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS), "the", "n't", "##ing"]
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _with_special(tokenizer)


def ends_of_words() -> Tokenizer:
    """GPT-1's: `</w>` at the end of each word."""
    words = [*SPECIAL, "<unk>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS), "the</w>"]
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder()
    return _with_special(tokenizer)


def without_decoder() -> Tokenizer:
    """Words joined by blanks."""
    words = [*SPECIAL, "<unk>", *_LETTERS, "the"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return _with_special(tokenizer)


KINDS: dict[str, Callable[[], Tokenizer]] = {
    kind.__name__: kind for kind in (byte_level, sentencepiece, unigram, wordpiece, ends_of_words, without_decoder)
}


def _with_special(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return tokenizer
