"""The conformance suite of `EncoderDecoderModel`: all that holds for step models, and what sources are to sequences.

    class TestMine(EncoderDecoderContract):
        @pytest.fixture
        def backend(self):
            return MyBackend()

        @pytest.fixture
        def model(self, tmp_path):
            return write_a_small_encoder_decoder(tmp_path)  # -> ModelFacts

        def answer_reference(self, source, tokens):
            return the_library_itself(source, tokens)  # logits of every token, float32 [len(tokens), vocab_size]

`answer_reference` may be left out; the suite then compares the model with itself alone.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from panope_backends.api import EncoderDecoderModel, LoadedModel, StepBatch, StepModel, StepSequence
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.contracts.step_model import StepModelContract
from panope_backends.testing.contracts.step_model_harness import Array


class EncoderDecoderContract(StepModelContract):
    """Tests of one backend with one small encoder-decoder; the fixtures `backend` and `model` must be given."""

    kind = EncoderDecoderModel

    def answer_reference(self, source: list[int], tokens: list[int]) -> Array | None:
        """The right logits after each token of the decoder, where something else can tell them."""
        return None

    def reference(self, tokens: list[int]) -> Array | None:
        """With the source that all tests look at which name none."""
        return self.answer_reference(self._first_source, tokens)

    @pytest.fixture
    def decoder(self, loaded: LoadedModel) -> StepModel:
        """The model with a cache and one source."""
        assert isinstance(loaded, EncoderDecoderModel)
        self.make_ready(loaded, self.blocks)
        self._first_source = self.source_text(loaded)
        return loaded

    @pytest.fixture
    def reader(self, decoder: StepModel) -> EncoderDecoderModel:
        """The same."""
        assert isinstance(decoder, EncoderDecoderModel)
        return decoder

    def answer(self, reader: EncoderDecoderModel, source: int, tokens: list[int], blocks: Sequence[int] = ()) -> Array:
        """The logits after every token of a sequence that looks at a source."""
        blocks = blocks or range(self.blocks)
        return self.run(reader, replace(self.part(reader, tokens, 0, len(tokens), blocks), source=source))

    def test_limits_of_sources_are_told(self, reader: EncoderDecoderModel) -> None:
        assert reader.source.max_length > 1
        assert reader.source.token_bytes > 0
        assert reader.sources == self.sources

    def test_sources_of_all_lengths_give_what_the_reference_says(self, reader: EncoderDecoderModel) -> None:
        tokens = self.text(reader, length=5)
        longest = min(reader.source.max_length, self.most_tokens)
        for length in sorted({1, 2, longest // 2 + 1, longest}):
            text = self.source_text(reader, seed=length, length=length)
            expected = self.answer_reference(text, tokens)
            if expected is None:
                pytest.skip("there is no reference to compare with")
            reader.encode(1, text)
            self.assert_same(self.answer(reader, 1, tokens), expected)

    def test_every_token_of_a_source_matters_and_so_does_its_place(self, reader: EncoderDecoderModel) -> None:
        first, second, *rest = self.source_text(reader)
        second = second if second != first else (first + 1) % reader.vocab_size
        tokens = self.text(reader, length=3)
        found = []
        for text in ([first, second, *rest], [second, first, *rest], [first, first, *rest], [first, second]):
            reader.encode(1, text)
            found.append(self.answer(reader, 1, tokens))
        for other in found[1:]:
            assert not np.allclose(found[0][-1], other[-1], atol=self.tolerance)

    def test_a_source_encoded_again_takes_the_place_of_the_first(self, reader: EncoderDecoderModel) -> None:
        tokens = self.text(reader, length=4)
        long, short = (self.source_text(reader, seed=seed, length=length) for seed, length in ((1, 6), (2, 3)))
        reader.encode(1, long)
        before = self.answer(reader, 1, tokens)
        reader.encode(1, short)
        self.answer(reader, 1, tokens)
        reader.encode(1, long)
        self.assert_same(self.answer(reader, 1, tokens), before)

    def test_other_sources_do_not_matter(self, reader: EncoderDecoderModel) -> None:
        tokens = self.text(reader, length=4)
        expected = self.answer(reader, 0, tokens)
        for number in range(1, self.sources):
            reader.encode(number, self.source_text(reader, seed=number, length=number + 1))
        self.assert_same(self.answer(reader, 0, tokens), expected)

    def test_sequences_of_several_sources_run_side_by_side(self, reader: EncoderDecoderModel) -> None:
        lengths = (1, 5, 2, 7)
        share = self.blocks // len(lengths)
        tables = [range(n * share, (n + 1) * share) for n in range(len(lengths))]
        texts = [self.text(reader, seed, length=length) for seed, length in enumerate((4, 1, 6, 2))]
        expected = []
        for number, length in enumerate(lengths):
            reader.encode(number, self.source_text(reader, seed=number, length=min(length, reader.source.max_length)))
            expected.append(self.answer(reader, number, texts[number]))
        for chunk in (1, 3, 6):  # the longest has so many tokens
            begins = [max(0, len(text) - chunk) for text in texts]
            for number, (text, begin) in enumerate(zip(texts, begins, strict=True)):
                if begin:
                    part = self.part(reader, text, 0, begin, tables[number], sampled=())
                    self.run(reader, replace(part, source=number))
            parts = [
                replace(self.part(reader, text, begin, len(text), tables[number]), source=number)
                for number, (text, begin) in enumerate(zip(texts, begins, strict=True))
            ]
            wanted = [logits[begin:] for logits, begin in zip(expected, begins, strict=True)]
            self.assert_same(self.run(reader, *parts), np.concatenate(wanted))
            self.assert_same(self.run(reader, *parts[::-1]), np.concatenate(wanted[::-1]))

    def test_sequences_may_look_at_the_same_source(self, reader: EncoderDecoderModel) -> None:
        texts = [self.text(reader, seed, length=3) for seed in (1, 2)]
        expected = [self.answer(reader, 0, text) for text in texts]
        parts = [self.part(reader, text, 0, 3, [number]) for number, text in enumerate(texts)]
        self.assert_same(self.run(reader, *parts), np.concatenate(expected))

    def test_sources_outlive_a_new_cache(self, reader: EncoderDecoderModel) -> None:
        tokens = self.text(reader, length=4)
        expected = self.answer(reader, 0, tokens)
        reader.allocate(self.blocks + 1)
        self.assert_same(self.answer(reader, 0, tokens), expected)

    def test_what_is_encoded_is_only_read(self, reader: EncoderDecoderModel) -> None:
        text = np.array(self.source_text(reader), np.int64)
        text.flags.writeable = False
        reader.encode(1, text)
        tokens = self.text(reader, length=3)
        self.assert_same(self.answer(reader, 1, tokens), self.answer(reader, 0, tokens))

    @pytest.mark.parametrize("source", [-1, 4, 1 << 20])
    def test_a_source_that_does_not_exist_is_refused(self, reader: EncoderDecoderModel, source: int) -> None:
        with pytest.raises(InvalidInputError) as refusal:
            reader.encode(source, [1])
        assert refusal.value.field == "source"
        self.refused(reader, "sources", StepSequence([0], 0, [0], source=source))

    def test_a_source_that_was_not_encoded_is_refused(self, reader: EncoderDecoderModel) -> None:
        self.refused(reader, "sources", StepSequence([0], 0, [0], source=2))
        reader.allocate_sources(self.sources)
        with pytest.raises(InvalidInputError) as refusal:
            reader.forward(StepBatch.of([StepSequence([0], 0, [0], source=0)]))
        assert refusal.value.field == "sources"

    def test_a_sequence_without_a_source_is_refused(self, reader: EncoderDecoderModel) -> None:
        self.refused(reader, "sources", StepSequence([0], 0, [0]))
        self.refused(reader, "sources", StepSequence([0], 0, [0], source=0), StepSequence([0], 0, [1]))

    def test_a_text_that_cannot_be_encoded_is_refused_and_leaves_the_source(self, reader: EncoderDecoderModel) -> None:
        tokens = self.text(reader, length=3)
        expected = self.answer(reader, 0, tokens)
        for text in ([], [1] * (reader.source.max_length + 1), [-1], [reader.vocab_size]):
            with pytest.raises(InvalidInputError) as refusal:
                reader.encode(0, text)
            assert refusal.value.field == "tokens"
        self.assert_same(self.answer(reader, 0, tokens), expected)

    def test_sources_that_memory_cannot_hold_are_refused_and_fewer_taken(self, reader: EncoderDecoderModel) -> None:
        with pytest.raises(PreconditionError):
            reader.allocate_sources((1 << 55) // (reader.source.token_bytes * reader.source.max_length))
        assert reader.sources == 0
        reader.allocate_sources(1)
        reader.encode(0, self.source_text(reader))
        assert np.isfinite(self.answer(reader, 0, self.text(reader, length=3))).all()
