"""Conversions of encoder-decoders are kept where they compute the same, and nothing of them is where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import EncoderDecoderModel, LoadOptions
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.encoder_decoder import convert
from panope_backends.engines.openvino.encoder_decoder.facts import ENCODER_FILE, FILE
from panope_backends.errors import PreconditionError
from panope_backends.testing.encoder_decoders import POSITIONS, VOCABULARY, tiny_encoder_decoder

BACKEND = OpenVinoBackend()
TO = {conversion.precision: conversion for conversion in BACKEND.conversions()}


def test_one_that_computes_something_else_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = convert._Original

    class Other(real):  # type: ignore[misc,valid-type]  # the class as it was before
        def __call__(self, source: Any, tokens: Any) -> Any:
            return super().__call__(source, tokens) * np.float32(1.01)

    monkeypatch.setattr(convert, "_Original", Other)
    facts, out = tiny_encoder_decoder(tmp_path, "bart"), tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match=r"logits differ by 9\.9e-03"):
        BACKEND.convert(facts, TO["fp32"], tmp_path, out)
    assert list(out.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
@pytest.mark.parametrize("family", ["flan-t5", "bart"])
def test_each_precision_runs(tmp_path: Path, family: str, precision: str) -> None:
    facts, out = tiny_encoder_decoder(tmp_path, family, sharpness=1), tmp_path / "out"
    out.mkdir()
    BACKEND.convert(facts, TO[precision], tmp_path, out)
    model = BACKEND.load(replace(facts, format="openvino"), out, "CPU", LoadOptions(precision="fp32"))
    assert isinstance(model, EncoderDecoderModel)
    assert (model.vocab_size, model.max_positions, model.source.max_length) == (VOCABULARY, POSITIONS, POSITIONS)
    model.close()


def test_what_is_not_served_is_refused_by_name(tmp_path: Path) -> None:
    facts, out = tiny_encoder_decoder(tmp_path, "marian"), tmp_path / "out"
    out.mkdir()
    BACKEND.convert(facts, TO["fp32"], tmp_path, out)
    made = replace(facts, format="openvino")
    with pytest.raises(PreconditionError, match="u8"):
        BACKEND.load(made, out, "CPU", LoadOptions(cache_precision="u8"))
    for name in (ENCODER_FILE, FILE):
        kept = (out / name).rename(out / "kept")
        with pytest.raises(PreconditionError, match=name):
            BACKEND.load(made, out, "CPU", LoadOptions())
        kept.rename(out / name)
    for kind in ("led", "nllb-moe"):
        config = {"model_type": kind, "is_encoder_decoder": True}
        with pytest.raises(PreconditionError, match=f"cannot be converted: .*`{kind}`"):
            BACKEND.convert(replace(facts, config=config), TO["fp32"], tmp_path, out)
