"""The conformance suite: what every converter must do, ours and others'.

    class TestMine(ConverterContract):
        @pytest.fixture
        def converter(self):
            return MyBackend()

        @pytest.fixture
        def model(self, tmp_path):
            ...write a small model's files into tmp_path...
            return ModelFacts("test/small", "safetensors", "embed")

Every conversion that reads the model's format, and can be done on this machine, is done.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from panope_backends.api import Conversion, Converter, ModelFacts
from panope_backends.errors import CallerError
from panope_backends.testing.contracts.backend import listing


class ConverterContract:
    """Tests of one converter with one small model; the fixtures `converter` and `model` must be given."""

    @pytest.fixture
    def converter(self) -> Converter:
        """The converter under test."""
        raise NotImplementedError("override the fixture `converter`")

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        """Facts of a small model; its files are written into `tmp_path`."""
        raise NotImplementedError("override the fixture `model`")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The model's files."""
        return tmp_path

    @pytest.fixture
    def able(self, converter: Converter, model: ModelFacts) -> list[Conversion]:
        """The conversions that can be done of this model, here."""
        able = [c for c in converter.conversions() if c.reads(model.format) and not c.reason]
        assert able, "no conversion reads the model"
        return able

    def test_it_is_a_converter(self, converter: Converter) -> None:
        assert isinstance(converter, Converter)

    def test_each_conversion_is_complete_and_goes_through_json(self, converter: Converter) -> None:
        for conversion in converter.conversions():
            assert conversion.source_formats
            assert conversion.format
            assert conversion.precision
            assert conversion.engine_version or conversion.reason
            text = msgspec.json.encode(asdict(conversion))
            assert msgspec.json.decode(text, type=Conversion) == conversion

    def test_no_two_conversions_make_the_same_of_the_same(self, converter: Converter) -> None:
        made = [(source, c.format, c.precision) for c in converter.conversions() for source in c.source_formats]
        assert len(set(made)) == len(made)

    def test_every_conversion_writes_files_and_leaves_the_folder_as_it_was(
        self,
        converter: Converter,
        model: ModelFacts,
        folder: Path,
        able: list[Conversion],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        before = listing(folder)
        for conversion in able:
            out = tmp_path_factory.mktemp("out")
            converter.convert(model, conversion, folder, out)
            assert any(path.is_file() and path.stat().st_size for path in out.rglob("*"))
        assert listing(folder) == before

    def test_a_folder_without_the_models_files_is_refused_without_naming_it(
        self,
        converter: Converter,
        model: ModelFacts,
        able: list[Conversion],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        nothing, out = tmp_path_factory.mktemp("nothing"), tmp_path_factory.mktemp("out")
        for conversion in able:
            with pytest.raises(CallerError) as refusal:
                converter.convert(model, conversion, nothing, out)
            assert str(nothing) not in refusal.value.message
