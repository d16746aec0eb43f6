"""Small seeded models that translate, with SentencePiece files trained on a few sentences, as hubs have them.

Needs transformers, torch and sentencepiece.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panope_backends.api import ModelFacts
from panope_backends.testing.encoder_decoders import tiny_encoder_decoder

ENGLISH = (
    "The house is wonderful.",
    "The quick brown fox jumps over the lazy dog.",
    "It is raining today, isn't it?",
    "Numbers 0 12 345 and 6,789 are read one by one.",
    "We will meet at the station tomorrow morning.",
    "A cat sits on the mat, and nobody knows why.",
)
GERMAN = (
    "Das Haus ist wunderbar.",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Heute regnet es, nicht wahr?",
    "Zahlen wie 0, 12, 345 und 6.789 liest man einzeln.",
    "Wir treffen uns morgen früh am Bahnhof. Grüße!",
    "Eine Katze sitzt auf der Matte, und niemand weiß, warum.",
)
_PIECES = 120
_SPECIAL = ("<s>", "</s>", "<unk>")

#: Pieces of the sources' file that vocab.json lacks, as some of the published have.
_MISSING = 4


def tiny_marian(folder: Path, codes: Sequence[str] = (), **changes: Any) -> ModelFacts:
    """Writes a Marian that reads by one SentencePiece file and writes by another.

    Args:
        folder: where to.
        codes: languages that it translates into, where it is told by a token; else it is one from `en` into `de`.
        changes: to its configuration.
    """
    sources, targets = (_trained(texts, "unigram") for texts in (ENGLISH, GERMAN))
    missing = set(_names(sources)[-_MISSING:]) - set(_names(targets))
    both = [piece for piece in dict.fromkeys((*_names(sources), *_names(targets))) if piece not in missing]
    names = ["</s>", "<unk>", *both, *(f">>{code}<<" for code in codes), "<pad>"]
    end = len(names) - 1
    ids = {"pad_token_id": end, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": end}
    facts = tiny_encoder_decoder(folder, "marian", vocab_size=len(names), **ids, **changes)
    (folder / "source.spm").write_bytes(sources)
    (folder / "target.spm").write_bytes(targets)
    _write(folder / "vocab.json", {name: number for number, name in enumerate(names)})
    pair = {} if codes else {"source_lang": "en", "target_lang": "de"}
    _write(folder / "tokenizer_config.json", {"tokenizer_class": "MarianTokenizer", "model_max_length": 512, **pair})
    settings = {"max_length": 40, "bad_words_ids": [[end]], "forced_eos_token_id": 0}
    _write(folder / "generation_config.json", {**ids, **settings})
    return facts


def tiny_m2m(folder: Path, model_type: str = "bpe", **changes: Any) -> ModelFacts:
    """Writes an M2M-100, whose tokens of languages stand behind its vocabulary.

    Args:
        folder: where to.
        model_type: of its SentencePiece file.
        changes: to its configuration.
    """
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    names = write_pieces(folder, model_type)
    codes = FAIRSEQ_LANGUAGE_CODES["m2m100"]
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    facts = tiny_encoder_decoder(folder, "m2m100", vocab_size=len(names) + len(codes) + 8, **ids, **changes)
    special = [f"__{code}__" for code in codes]
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "M2M100Tokenizer", "model_max_length": 1024, "additional_special_tokens": special},
    )
    _write(folder / "generation_config.json", {**ids, "max_length": 40})
    return facts


def write_pieces(folder: Path, model_type: str = "bpe") -> list[str]:
    """Writes a SentencePiece file and a vocabulary as fairseq's models have them; gives the tokens by their ids.

    Args:
        folder: where to.
        model_type: of the SentencePiece file.
    """
    pieces = _trained((*ENGLISH, *GERMAN), model_type)
    names = ["<s>", "<pad>", "</s>", "<unk>", *_names(pieces)]
    (folder / "sentencepiece.bpe.model").write_bytes(pieces)
    _write(folder / "vocab.json", {name: number for number, name in enumerate(names)})
    return names


def _trained(texts: Sequence[str], model_type: str) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type=model_type,
        vocab_size=_PIECES,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    return model.getvalue()


def _names(model: bytes) -> list[str]:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [name for name in map(pieces.id_to_piece, range(pieces.get_piece_size())) if name not in _SPECIAL]


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content))
