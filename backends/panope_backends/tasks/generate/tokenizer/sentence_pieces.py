"""Tokenizers that transformers runs in Python over SentencePiece, such as Marian's and M2M-100's, without either.

They cut a text into the pieces of a SentencePiece model and look these up in a vocabulary of the model's own. So texts
are read by SentencePiece's algorithm in the library `tokenizers`, whose pieces are looked up by name, and answers are
written by the vocabulary alone.

Needs transformers and sentencepiece.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

from panope_backends.errors import PreconditionError
from panope_backends.tasks.generate.tokenizer.languages import around
from panope_backends.tasks.generate.tokenizer.prepared import SourceTokenizer
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder
from panope_backends.tasks.probing import PROBING_TEXTS

_SPACE = "▁"
_TEXT = "a"
_UNIGRAM, _BPE = 1, 2

#: Kinds of pieces, as SentencePiece numbers them.
_NORMAL, _CONTROL, _USER_DEFINED, _BYTE = 1, 3, 4, 6

_TRIED = 40
_TRIED_LENGTH = 30


class PieceTokenizer:
    """A tokenizer of transformers that is written in Python.

    Args:
        made: by transformers.
        file: its SentencePiece model, of sources where it has two.
    """

    def __init__(self, made: Any, file: Path) -> None:
        messages: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")  # generated, without types
        self._made = made
        self._model = messages.ModelProto()
        self._model.ParseFromString(file.read_bytes())
        more = {**getattr(made, "lang_token_to_id", {}), **made.added_tokens_encoder}
        self._source_ids = {**made.encoder, **more}
        self._answer_ids = {**getattr(made, "target_encoder", made.encoder), **more}

    @classmethod
    def of(cls, made: Any) -> PieceTokenizer | None:
        """A tokenizer that is one; None for any other."""
        files = getattr(made, "spm_files", None) or [getattr(made, "spm_file", None)]
        if getattr(made, "is_fast", False) or not files[0] or not isinstance(getattr(made, "encoder", None), dict):
            return None
        return cls(made, Path(files[0]))

    def of_sources(self) -> SourceTokenizer:
        """What texts are read with.

        Raises:
            PreconditionError: its SentencePiece model asks for what `tokenizers` lacks.
        """
        body, whole = (self._made(_TEXT, add_special_tokens=special)["input_ids"] for special in (False, True))
        prefix, suffix = around(whole, body)
        return SourceTokenizer(
            tokenizer=msgspec.Raw(self._reader().to_str().encode()),
            ids=self._source_ids,
            unknown_id=int(self._made.unk_token_id),
            prefix=prefix,
            suffix=suffix,
            has_codes=hasattr(self._made, "remove_language_code"),
        )

    def of_answers(self) -> str:
        """What answers are written with, as the library serialises it."""
        written = Tokenizer(models.WordLevel(self._answer_ids, unk_token=str(self._made.unk_token)))
        pieces = {each.piece: each.type for each in self._model.pieces}
        if _BYTE in pieces.values():
            written.decoder = decoders.Sequence(
                [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            )
        else:
            written.decoder = decoders.Metaspace(_SPACE)
        silent = {piece for piece, kind in pieces.items() if kind == _CONTROL} & self._answer_ids.keys()
        for token in sorted({*self._made.all_special_tokens, *silent}, key=self._answer_ids.__getitem__):
            written.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        return str(written.to_str())

    def prove(self, ours: TextEncoder) -> None:
        """Compares texts of tokens, and ids of what only such tokenizers have, with transformers' own.

        Raises:
            PreconditionError: some differ.
        """
        for text in self._texts():
            if ours.encode(text, add_special_tokens=True) != self._made(text)["input_ids"]:
                raise self._differs("ids")
        for ids in self._answers():
            theirs = self._made.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            if ours.decode(ids).strip() != theirs.strip():
                raise self._differs("texts")

    def _texts(self) -> Iterator[str]:
        added = [str(token) for token in self._made.added_tokens_encoder]
        symbols = [each.piece for each in self._model.pieces if each.type != _NORMAL and each.type != _BYTE]
        known = [piece for piece in self._answer_ids if piece.strip(_SPACE)]
        for number, words in enumerate(np.array_split(known, 1 + len(known) // 512)):
            yield (" " if number % 2 else "").join(words).replace(_SPACE, " ")
        for word in (*added, *symbols):
            yield f"one {word}two {word} {word}"
        for code in (*getattr(self._made, "supported_language_codes", ()), ">>none<<", ">>open", ">>a<<>>b<<"):
            yield f"{code} {PROBING_TEXTS[1]} {code} a"
            yield code + PROBING_TEXTS[1]

    def _answers(self) -> Iterator[list[int]]:
        random, known = np.random.default_rng(0), list(self._answer_ids.values())
        for _ in range(_TRIED):
            yield random.choice(known, _TRIED_LENGTH).tolist()
        for text in PROBING_TEXTS:
            yield self._made(text)["input_ids"]

    def _differs(self, what: str) -> PreconditionError:
        return PreconditionError(
            f"the tokenizer {type(self._made).__name__} gives other {what} without transformers than in it"
        )

    def _reader(self) -> Any:
        trainer, rules = self._model.trainer_spec, self._model.normalizer_spec
        if trainer.treat_whitespace_as_suffix or not rules.escape_whitespaces:
            raise PreconditionError("the model's SentencePiece file treats spaces in a way that `tokenizers` does not")
        reader: Any = Tokenizer(self._algorithm(trainer))
        steps: list[Any] = []
        if rules.precompiled_charsmap:
            steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
        if rules.remove_extra_whitespaces:
            steps += [normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        if rules.add_dummy_prefix:
            steps.append(normalizers.Prepend(" "))
        reader.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
        symbols = [each.piece for each in self._model.pieces if each.type == _USER_DEFINED]
        reader.add_tokens([AddedToken(symbol, normalized=False) for symbol in symbols])
        special = set(self._made.all_special_tokens)
        for token in self._made.added_tokens_decoder.values():
            (reader.add_special_tokens if token.content in special else reader.add_tokens)([token])
        return reader

    def _algorithm(self, trainer: Any) -> Any:
        pieces = [(self._name(each), float(each.score)) for each in self._model.pieces]
        if trainer.model_type == _UNIGRAM:
            return models.Unigram(pieces, unk_id=trainer.unk_id, byte_fallback=bool(trainer.byte_fallback))
        if trainer.model_type != _BPE:
            raise PreconditionError("the model's SentencePiece file is of words or characters, not of pieces")
        # Their names are lost where the model does not know them, so that they could not be looked up.
        if self._source_ids.keys() - {each.piece for each in self._model.pieces} - self._named():
            raise PreconditionError("vocab.json has pieces that the model's SentencePiece file lacks")
        from transformers.convert_slow_tokenizer import generate_merges

        vocabulary = {piece: number for number, (piece, _) in enumerate(pieces)}
        unknown = pieces[trainer.unk_id][0]
        return models.BPE(
            vocabulary,
            generate_merges(vocabulary, pieces),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=bool(trainer.byte_fallback),
        )

    def _named(self) -> set[str]:
        """Tokens of the vocabulary that are no pieces."""
        return {*self._made.all_special_tokens, *getattr(self._made, "lang_token_to_id", ())}

    def _name(self, piece: Any) -> str:
        """What a text must have to be this piece: a space, which no text keeps, for one that no text is."""
        return str(piece.piece) if piece.type in (_NORMAL, _USER_DEFINED, _BYTE) else f" {piece.piece}"
