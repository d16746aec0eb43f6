"""Texts that show what a tokenizer does: each rule that tokenizers are known to have changes one of them."""

from __future__ import annotations

PROBING_TEXTS = (
    "a",
    "The quick brown fox jumps over the lazy dog.",
    "UPPER lower MiXeD İstanbul ẞtraße ΣΊΣΥΦΟΣ",
    "café naïve Ångström coöperate e\u0301 ñ",
    "  leading, trailing and   several spaces  ",
    "tabs\tand\nnew\r\nlines\u00a0and\u3000other spaces",
    "中文字符 and 日本語のテキスト with 한국어 텍스트",
    "don't can't it's we'll U.S.A. e-mail a.b@c.de http://x.y/z?q=1&r=2",
    "numbers 0 12 345 6789 1,234.56 ½ ² ４２ and 10000000000",
    "“quotes” ‘single’ — dashes … ﬁ ligature ㎏ ™ №",
    "emoji 😀 👩‍👩‍👧 🇩🇪 and \u200bzero\u200dwidth\ufeff",
    "control \x00 \x07 \x7f \u0085 characters \ufffd",
    "[CLS] [SEP] [MASK] [PAD] [UNK] <s> </s> <unk> <pad> <mask> <|endoftext|> <bos> <eos>",
    "antidisestablishmentarianism" * 3,
    "العربية עברית हिन्दी ไทย русский Ελληνικά",
    "##ing ▁word Ġword </w> @@ _under_score_ CamelCaseWord",
    "w1 w2 w3 W4, w5. w6",
    " w7",
)
"""Several scripts, cases and accents, spaces, controls, names of special tokens and marks of subwords."""
