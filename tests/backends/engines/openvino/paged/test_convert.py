"""Decoders become OpenVINO's format in each precision, proved; what cannot be paged is refused with the reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import Converter, Device, Level, LoadOptions, ModelFacts, StepModel
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.paged import convert, proof
from panope_backends.errors import PreconditionError
from panope_backends.testing import ConverterContract
from panope_backends.testing.decoders import POSITIONS, VOCABULARY, tiny_decoder

BACKEND = OpenVinoBackend()
CPU = Device("openvino", "CPU")
TO = {conversion.precision: conversion for conversion in BACKEND.conversions()}


class TestConverter(ConverterContract):
    @pytest.fixture
    def converter(self) -> Converter:
        return BACKEND

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_decoder(tmp_path)


def test_smaller_weights_make_smaller_files(converted: Callable[..., Any]) -> None:
    sizes = [
        (converted("llama", precision).folder / "openvino_model.bin").stat().st_size for precision in ("fp32", "fp16")
    ]
    assert sizes[1] < 0.51 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral", "gpt-oss"])
def test_each_precision_runs(converted: Callable[..., Any], family: str, precision: str) -> None:
    made = converted(family, precision)
    model = BACKEND.load(made.facts, made.folder, "CPU", LoadOptions(precision="fp32"))
    assert isinstance(model, StepModel)
    assert (model.vocab_size, model.max_positions) == (VOCABULARY, POSITIONS)


#: Families, what their configuration has of its own, and a word of the reason.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("bloom", {}, "by themselves"),
    ("falcon", {}, "by themselves"),
    ("mpt", {}, "by themselves"),
    ("falcon9", {"alibi": True}, "bias of its positions"),
    ("mamba", {}, "running state"),
    ("qwen3_next", {}, "running state"),
    ("gemma2", {"attn_logit_softcapping": 50.0}, "soft cap"),
    ("llama4_text", {"attention_chunk_size": 8192}, "chunks"),
    ("lfm9", {"layer_types": ["conv", "full_attention"]}, "`conv`"),
    ("gemma3_text", {"use_bidirectional_attention": True}, "both directions"),
]


@pytest.mark.parametrize(("kind", "own", "reason"), REFUSED, ids=[kind for kind, _, _ in REFUSED])
def test_attention_that_has_no_pages_is_refused_from_the_configuration(
    tmp_path: Path, kind: str, own: dict[str, Any], reason: str
) -> None:
    for config in ({"model_type": kind, **own}, {"model_type": "images", "text_config": {"model_type": kind, **own}}):
        facts = ModelFacts("a/b", "openvino", "generate", config=config)
        support = BACKEND.supports(facts, CPU)
        assert support.level is Level.NONE
        assert reason in support.reason
        with pytest.raises(PreconditionError, match="cannot be converted") as refusal:
            BACKEND.convert(replace(facts, format="safetensors"), TO["fp32"], tmp_path, tmp_path)
        assert reason in refusal.value.message


def test_a_decoder_with_an_encoder_inside_another_model_is_refused() -> None:
    config = {"model_type": "images", "text_config": {"model_type": "t5", "is_encoder_decoder": True}}
    support = BACKEND.supports(ModelFacts("a/b", "openvino", "generate", config=config), CPU)
    assert (support.level, "an encoder has read" in support.reason) == (Level.NONE, True)


@pytest.mark.parametrize("kind", ["bloom", "mamba", "gemma2", "falcon"])
def test_the_layers_themselves_show_that_they_have_no_pages(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the configuration did not tell is found when the model is traced."""
    monkeypatch.setattr(convert, "paging_refusal", lambda _config: "")
    sizes = {"bloom": {"n_layer": 2, "n_head": 4}}.get(kind, {})
    facts, out = tiny_decoder(tmp_path, kind, **sizes), tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError) as refusal:
        BACKEND.convert(facts, TO["fp32"], tmp_path, out)
    assert refusal.value.reason in ("unsupported_model", "conversion_failed", "load_failed")
    assert list(out.iterdir()) == []


def test_a_decoder_that_computes_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = convert._Original

    class Other(real):  # type: ignore[misc,valid-type]  # the class as it was before
        def __call__(self, tokens: Any) -> Any:
            return super().__call__(tokens) * np.float32(1.01)

    monkeypatch.setattr(convert, "_Original", Other)
    facts, out = tiny_decoder(tmp_path), tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match=r"logits differ by 9\.9e-03") as refusal:
        BACKEND.convert(facts, TO["fp32"], tmp_path, out)
    assert refusal.value.reason == "conversion_failed"
    assert list(out.iterdir()) == []


def test_smaller_weights_that_make_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(proof.LEAST_COSINE, "fp16", 1.1)
    facts, out = tiny_decoder(tmp_path), tmp_path / "out"
    out.mkdir()
    with pytest.raises(PreconditionError, match=r"have a cosine of 1\.000 to the original's; 1\.1 is the least"):
        BACKEND.convert(facts, TO["fp16"], tmp_path, out)
    assert list(out.iterdir()) == []


def test_positions_end_where_rotations_would_change_with_the_batch(tmp_path: Path) -> None:
    half = [1.0] * 8
    rotation = {"rope_type": "longrope", "short_factor": half, "long_factor": half, "rope_theta": 10000.0}
    facts = tiny_decoder(tmp_path, "phi3", original_max_position_embeddings=70, rope_parameters=rotation)
    out = tmp_path / "out"
    out.mkdir()
    BACKEND.convert(facts, TO["fp32"], tmp_path, out)
    model = BACKEND.load(replace(facts, format="openvino"), out, "CPU", LoadOptions())
    assert isinstance(model, StepModel)
    assert model.max_positions == 70


def test_graphs_are_no_source_of_smaller_decoders(converted: Callable[..., Any], tmp_path: Path) -> None:
    made = converted("llama")
    with pytest.raises(PreconditionError, match="made of safetensors"):
        BACKEND.convert(made.facts, TO["int8"], made.folder, tmp_path)


def test_only_processors_run_decoders() -> None:
    facts = ModelFacts("a/b", "openvino", "generate", config={"model_type": "llama"})
    assert BACKEND.supports(facts, CPU).level is Level.FULL
    assert BACKEND.supports(facts, replace(CPU, name="GPU.0")).level is Level.NONE


def test_one_thread_does_not_compute_in_bf16(converted: Callable[..., Any]) -> None:
    """OpenVINO divides by the threads of a part, which has none, and the process ends."""
    made = converted("llama")
    assert BACKEND.load(made.facts, made.folder, "CPU", LoadOptions(threads=1)).precision == "fp32"
    with pytest.raises(PreconditionError, match="with one thread cannot compute in precision `bf16`"):
        BACKEND.load(made.facts, made.folder, "CPU", LoadOptions(threads=1, precision="bf16"))


def test_a_cache_goes_with_what_is_computed_in(converted: Callable[..., Any]) -> None:
    made = converted("llama")
    for cache, size in (("fp32", 2 * 2 * 2 * 32 * 16 * 4), ("u8", 2 * 2 * (40 * 16 + 32 * 24))):
        model = BACKEND.load(
            made.facts, made.folder, "CPU", LoadOptions(precision="fp32", threads=2, cache_precision=cache)
        )
        assert isinstance(model, StepModel)
        assert (model.cache.precision, model.cache.block_size, model.cache.block_bytes) == (cache, 32, size)
    with pytest.raises(PreconditionError, match="cache beside fp32 on CPU cannot compute in precision `bf16`"):
        BACKEND.load(made.facts, made.folder, "CPU", LoadOptions(precision="fp32", cache_precision="bf16"))
