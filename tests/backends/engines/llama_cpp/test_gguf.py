"""Smaller GGUF files: the same model in fewer bits, with everything else as it was."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from panope_backends.api import Conversion, ModelFacts
from panope_backends.engines.llama_cpp.converter import PLAIN, GgufBackend
from panope_backends.errors import PreconditionError
from panope_backends.testing.models import tiny_gguf

FACTS = ModelFacts("a/b", "gguf")
OUTPUT_KIND = {"token_embd.weight": "Q8_0"}
"""Without an output layer of its own the model uses the embeddings for it."""


def conversion(kind: str) -> Conversion:
    return next(found for found in GgufBackend().conversions() if found.precision == kind)


def quantized(folder: Path, out: Path, kind: str) -> gguf.GGUFReader:
    out.mkdir(exist_ok=True)
    GgufBackend().convert(FACTS, conversion(kind), folder, out)
    (file,) = out.iterdir()
    assert file.name == f"model-{kind}.gguf"
    return gguf.GGUFReader(file)


def values(tensor: Any) -> np.ndarray[Any, Any]:
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type)


def source_of(folder: Path) -> gguf.GGUFReader:
    return gguf.GGUFReader(next(folder.glob("*.gguf")))


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("precision", ["f32", "f16", "bf16"])
def test_matrices_get_smaller_and_the_rest_stays(tmp_path: Path, kind: str, precision: str) -> None:
    tiny_gguf(tmp_path, precision)
    original = {tensor.name: tensor for tensor in source_of(tmp_path).tensors}
    made = {tensor.name: tensor for tensor in quantized(tmp_path, tmp_path / "out", kind).tensors}
    assert list(made) == list(original)
    for name, tensor in made.items():
        assert list(tensor.shape) == list(original[name].shape)
        if "norm" in name or "odd" in name:
            assert tensor.data.tobytes() == original[name].data.tobytes()
            continue
        assert tensor.tensor_type.name == OUTPUT_KIND.get(name, kind.upper())
        step = np.abs(values(original[name])).max() / (127 if tensor.tensor_type.name == "Q8_0" else 7)
        np.testing.assert_allclose(values(tensor), values(original[name]), atol=step)


def test_every_key_is_kept_and_the_kind_is_told(tmp_path: Path) -> None:
    tiny_gguf(tmp_path)
    original = source_of(tmp_path).fields
    made = quantized(tmp_path, tmp_path / "out", "q5_1").fields
    told = {"general.file_type": gguf.LlamaFileType.MOSTLY_Q5_1, "general.quantization_version": 2}
    assert {name: made[name].contents() for name in told} == told
    kept = [name for name in original if name not in told and not name.startswith("GGUF.")]
    assert "tokenizer.ggml.tokens" in kept
    for name in kept:
        assert made[name].types == original[name].types
        # Bytes, because one of the tokens is no text.
        assert [part.tobytes() for part in made[name].parts] == [part.tobytes() for part in original[name].parts]
    assert {*made} - {*original} == {"general.quantization_version"}


def test_a_model_in_parts_becomes_one_file(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    tiny_gguf(whole)
    tiny_gguf(parts, split_max_tensors=2)
    assert len(list(parts.iterdir())) > 1
    expected = quantized(whole, tmp_path / "one", "q8_0")
    found = quantized(parts, tmp_path / "other", "q8_0")
    assert {t.name: t.data.tobytes() for t in found.tensors} == {t.name: t.data.tobytes() for t in expected.tensors}
    assert set(found.fields) == set(expected.fields)


def written(folder: Path, tensors: dict[str, np.ndarray[Any, Any]], kinds: Sequence[Any] = ()) -> None:
    writer = gguf.GGUFWriter(folder / "bad.gguf", "llama")
    for number, (name, array) in enumerate(tensors.items()):
        writer.add_tensor(name, array, raw_dtype=kinds[number] if kinds else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_what_is_quantized_already_is_refused(tmp_path: Path) -> None:
    tiny_gguf(tmp_path)
    quantized(tmp_path, tmp_path / "small", "q8_0")
    with pytest.raises(PreconditionError, match="quantized already") as refusal:
        quantized(tmp_path / "small", tmp_path / "smaller", "q4_0")
    assert refusal.value.reason == "already_quantized"


def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    written(
        tmp_path, {"a.weight": np.full((32, 32), np.nan, np.float32), "token_embd.weight": np.ones((2, 32), np.float32)}
    )
    with np.errstate(all="ignore"), pytest.raises(PreconditionError, match=r"`a\.weight` in q8_0 has a cosine of nan"):
        quantized(tmp_path, tmp_path / "out", "q8_0")


def test_a_file_with_nothing_to_make_smaller_is_refused(tmp_path: Path) -> None:
    written(tmp_path, {"norm.weight": np.ones(32, np.float32)})
    with pytest.raises(PreconditionError, match="no weights that can be made smaller"):
        quantized(tmp_path, tmp_path / "out", "q8_0")


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUX" + bytes(64))
    with pytest.raises(PreconditionError, match="cannot be read"):
        quantized(tmp_path, tmp_path / "out", "q8_0")


@pytest.fixture
def llama_quantize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name on PATH, in the place of llama.cpp's: writes what it was asked, and fails for q2_k."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "llama-quantize"
    program.write_text('#!/bin/sh\necho "it talks"\n[ "$3" = Q2_K ] && exit 1\nprintf "%s %s" "$1" "$3" > "$2"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return program


def test_k_quants_are_the_other_programs(tmp_path: Path, llama_quantize: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    tiny_gguf(source)
    assert conversion("q4_k_m").reason == ""
    GgufBackend().convert(FACTS, conversion("q4_k_m"), source, out)
    assert (out / "model-q4_k_m.gguf").read_text() == f"{source / 'tiny-f16.gguf'} Q4_K_M"
    with pytest.raises(PreconditionError, match="`llama-quantize` refuses the model"):
        GgufBackend().convert(FACTS, conversion("q2_k"), source, out)


def test_without_that_program_k_quants_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    reason = "`llama-quantize` of llama.cpp is not on PATH: install llama.cpp"
    assert conversion("q4_k_m").reason == reason
    assert conversion("q8_0").reason == ""
