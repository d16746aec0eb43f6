"""A case for each setting that transformers applies to a tokenizer while it loads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo_models.case import Case
from zoo_models.tokenizers import LETTERS, PIECES

_ROBERTA = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_LLAMA = {"pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2, "num_key_value_heads": 2, "head_dim": 8}
_LAST = {"pooling": {"pooling_mode": "lasttoken"}}


def _in_config() -> list[Case]:
    """tokenizer_config.json."""
    bert: dict[str, dict[str, Any]] = {
        "cased": {"do_lower_case": False},
        "cased and accents stripped": {"do_lower_case": False, "strip_accents": True},
        "accents kept": {"strip_accents": False},
        "Chinese characters in words": {"tokenize_chinese_chars": False},
        "special tokens split": {"split_special_tokens": True},
        "another class": {"tokenizer_class": "DistilBertTokenizer"},
        "the fast class": {"tokenizer_class": "BertTokenizerFast"},
        "the general class": {"tokenizer_class": "PreTrainedTokenizerFast"},
        "the general class, cased": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
        "no class": {"tokenizer_class": None},
        "another unknown token": {"unk_token": "the"},
        "another separator": {"sep_token": "[MASK]"},
        "a new separator": {"sep_token": "[END]"},
        "padded left": {"padding_side": "left"},
        "extra special tokens": {"additional_special_tokens": ["[Q]", "numbers"]},
        "added tokens": {"added_tokens_decoder": {"630": {"content": "spaces", "special": False, "lstrip": True}}},
        "shorter": {"model_max_length": 9},
        "no limit": {"model_max_length": 10**30},
        "input names": {"model_input_names": ["input_ids", "attention_mask"]},
        "closing token asked for": {"add_eos_token": True, "eos_token": "[MASK]"},
        "clean-up of spaces": {"clean_up_tokenization_spaces": True},
    }
    cases = [Case(f"bert: {name}", tokenizer_settings=settings) for name, settings in bert.items()]
    roberta: dict[str, dict[str, Any]] = {
        "prefix space": {"add_prefix_space": True},
        "general class, prefix space": {"add_prefix_space": True, "tokenizer_class": "PreTrainedTokenizerFast"},
        "offsets trimmed": {"trim_offsets": False},
        "a new mask": {"mask_token": "[MASK]"},
    }
    cases += [Case(f"roberta: {n}", "roberta", _ROBERTA, "byte-level", s) for n, s in roberta.items()]
    llama: dict[str, dict[str, Any]] = {
        "closing token": {"add_eos_token": True},
        "no opening token": {"add_bos_token": False},
        "opening and closing tokens": {"add_bos_token": True, "add_eos_token": True},
        "legacy": {"legacy": True},
        "not legacy": {"legacy": False},
        "no prefix space": {"add_prefix_space": False},
        "general class, closing token": {"add_eos_token": True, "kind": "PreTrainedTokenizerFast"},
    }
    cases += [Case(f"llama: {n}", "llama", _LLAMA, "llama", s, **_LAST) for n, s in llama.items()]
    cases += [
        Case("cut at the start", tokenizer_settings={"truncation_side": "left"}, truncation="start"),
        Case("gpt2: opening token", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, "byte-level",
             {"closes": False, "add_bos_token": True}, **_LAST),
        Case("words", tokenizer="words"),
        Case("words, general name", tokenizer="words", tokenizer_settings={"kind": "TokenizersBackend"}),
        Case("words, lower case asked for", tokenizer="words", tokenizer_settings={"do_lower_case": True}),
        Case("xlm-roberta: prefix space off", "xlm-roberta", _ROBERTA, "unigram", {"add_prefix_space": False}),
        Case("albert: cased", "albert", {"embedding_size": 16}, "unigram",
             {"kind": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}),
        Case("deberta-v2: lower case", "deberta-v2", {"type_vocab_size": 0}, "unigram",
             {"kind": "DebertaV2Tokenizer", "do_lower_case": True}),
        Case("mpnet: own class", "mpnet", _ROBERTA, "wordpiece", {"tokenizer_class": "MPNetTokenizer"}),
        Case("own code", refused=True, tokenizer_settings={"auto_map": {"AutoTokenizer": ["mine.Tokenizer", None]}}),
        Case("a processor", refused=True, tokenizer_settings={"processor_class": "CLIPProcessor"}),
        Case("python alone", refused=True, tokenizer_settings={"tokenizer_class": "CanineTokenizer"}),
    ]  # fmt: skip
    return cases


def _in_sentence_files() -> list[Case]:
    """sentence-transformers' tokenizer_args."""
    arguments: dict[str, dict[str, Any]] = {
        "cased": {"do_lower_case": False},
        "Chinese characters in words": {"tokenize_chinese_chars": False},
        "closing token": {"add_eos_token": True, "eos_token": "[MASK]"},
        "padded left": {"padding_side": "left"},
        "shorter": {"model_max_length": 7},
        "another class token": {"cls_token": "[MASK]"},
        "code trusted": {"trust_remote_code": True},
    }
    cases = [
        Case(f"{key}: {name}", files={"sentence_bert_config.json": {key: value}})
        for name, value in arguments.items()
        for key in (("tokenizer_args", "processor_kwargs") if name == "cased" else ("tokenizer_args",))
    ]
    closing = {"sentence_bert_config.json": {"tokenizer_args": {"add_eos_token": True}}}
    return [
        *cases,
        Case("llama: tokenizer_args closing", "llama", _LLAMA, "llama", files=closing, **_LAST),
        Case("roberta: tokenizer_args prefix", "roberta", _ROBERTA, "byte-level",
             files={"sentence_bert_config.json": {"tokenizer_args": {"add_prefix_space": True}}}),
        Case("lower case", tokenizer_settings={"do_lower_case": False},
             files={"sentence_bert_config.json": {"do_lower_case": True}}),
        Case("words, lower case", tokenizer="words", files={"sentence_bert_config.json": {"do_lower_case": True}}),
    ]  # fmt: skip


def _in_other_files() -> list[Case]:
    """special_tokens_map.json, added_tokens.json, vocabularies, and nothing at all."""
    return [
        Case("special tokens map", files={"special_tokens_map.json": {"sep_token": "[MASK]"}}),
        Case("special tokens map, new", files={"special_tokens_map.json": {"additional_special_tokens": ["fox"]}}),
        Case("added tokens file", files={"added_tokens.json": {"spaces": 620}}),
        Case("no tokenizer_config.json", change=_without("tokenizer_config.json")),
        Case("a vocabulary alone", change=_vocabulary_alone),
        Case("no vocabulary", change=_without("tokenizer.json"), refused=True),
        Case("a broken tokenizer.json", files={"tokenizer.json": "{"}, refused=True),
        Case("chat template, with modules", tokenizer_settings={"chat_template": "{{ messages[0]['content'] }}"}),
        Case("chat template, plain", modules=None, refused=True,
             tokenizer_settings={"chat_template": "{% for m in messages %}fox {{ m['content'] }}{% endfor %}"}),
    ]  # fmt: skip


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _vocabulary_alone(folder: Path) -> None:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *LETTERS, *PIECES, *(f"##{piece}" for piece in [*LETTERS, *PIECES])]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(words)) + "\n")
    (folder / "tokenizer.json").unlink()


TOKENIZER_SETTINGS = (*_in_config(), *_in_sentence_files(), *_in_other_files())
