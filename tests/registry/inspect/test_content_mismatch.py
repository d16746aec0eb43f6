"""What lies in the place of a model's files, or beside them, is refused at import by what it is, with the way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from panope_backends.api import Level, ModelFacts
from panope_backends.engines.torch.encoder.transformer import transformer_support
from panope_backends.errors import InvalidInputError, PanopeError, PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import Inspection, inspect_files

MakeModel = Callable[..., Path]

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 90\n"
BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4}
PLACES = ("model.safetensors", "model.onnx", "model.gguf", "config.json", "tokenizer.json", "1_Pooling/config.json")


def _understand(folder: Path) -> Inspection:
    return inspect_files({file.path: file.source for file in list_folder(folder)})


def _refused(folder: Path, kind: type[PanopeError] = InvalidInputError) -> PanopeError:
    with pytest.raises(kind) as caught:
        _understand(folder)
    return caught.value


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (POINTER, "a pointer of Git LFS in the place of the file; run `git lfs pull`"),
        ("# xet version 0\nfilesize = 90\n", "a pointer of Git LFS"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "an HTML page.*download the file again"),
        ("\n  <HTML>404</HTML>", "an HTML page"),
        ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "the error message of a storage server"),
        ("Entry not found", "the error message of a hub"),
    ],
)
def test_what_lies_in_the_place_of_a_file_is_told(make_model: MakeModel, place: str, content: str, told: str) -> None:
    error = _refused(make_model(files={place: content}))
    assert error.reason == "broken_file"
    assert error.message.startswith(f"`{place}` is broken: it is ")
    assert told.split(".*")[0] in error.message
    assert told.split(".*")[-1] in error.message


def test_a_readme_may_be_of_any_kind(make_model: MakeModel) -> None:
    assert _understand(make_model(files={"README.md": "<html></html>", "LICENSE": POINTER})).task == "embed"


@pytest.mark.parametrize("place", ["config.json", "tokenizer.json", "vocab.json", "config_sentence_transformers.json"])
@pytest.mark.parametrize(
    ("text", "is_half"),
    [
        (r"\ud800", True),
        (r"\udc00", True),
        (r"\uD83D\u0041", True),
        (r"\ud83d\ud83d\ude00", True),
        (r"\ude00\ud83d", True),
        (r"\ud83d\ude00", False),
        (r"\\ud800", False),
        (r"\\\ud800", True),
        (r"\u00e9", False),
    ],
)
def test_half_a_character_is_refused_with_its_line(make_model: MakeModel, place: str, text: str, is_half: bool) -> None:
    folder = make_model(files={place: json.dumps(BERT)[:-1] + ',\n"x": "' + text + '"}'})
    if is_half:
        assert "line 2: `\\u" in _refused(folder).message
        assert "lone surrogate" in _refused(folder).message
    else:
        _understand(folder)


@pytest.mark.parametrize("place", ["vocab.txt", "merges.txt", "tokenizer.json"])
def test_a_vocabulary_that_is_no_utf_8_is_refused_at_its_byte(make_model: MakeModel, place: str) -> None:
    assert "not UTF-8 text, at byte 3" in _refused(make_model(files={place: b"abc\xff"})).message


PACKED: list[tuple[Mapping[str, Any], str]] = [
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "`bitsandbytes`"),
    ({"quantization_config": {"load_in_8bit": True}}, "`bitsandbytes`"),
    ({"quantization_config": {"quant_method": "fp8", "activation_scheme": "dynamic"}}, "`fp8`"),
    ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "`gptq`"),
    ({"quantization_config": {"quant_method": "compressed-tensors"}}, "`compressed-tensors`"),
    ({"quantization": {"group_size": 64, "bits": 4}}, "MLX"),
    ({"quantization": {"bits": 4}, "quantization_config": {"bits": 4, "group_size": 64}}, "MLX"),
    ({"quantization_config": {"weights": "small"}}, "a library that it does not name"),
]


@pytest.mark.parametrize(("changes", "packer"), PACKED)
def test_packed_weights_are_refused_by_who_packed_them(
    make_model: MakeModel, changes: Mapping[str, Any], packer: str
) -> None:
    error = _refused(make_model(files={"config.json": json.dumps(BERT | changes)}), PreconditionError)
    assert f"packed by {packer}" in error.message
    assert "`model.safetensors` cannot embed" in error.message
    assert "import the model's original weights" in error.message
    support = transformer_support(ModelFacts("a/b", "safetensors", "embed", config=BERT | changes))
    assert (support.level, f"packed by {packer}" in support.reason) == (Level.NONE, True)


@pytest.mark.parametrize("value", [None, {}])
def test_weights_that_nothing_packed_are_taken(make_model: MakeModel, value: object) -> None:
    config = BERT | {"quantization_config": value, "quantization": value}
    assert _understand(make_model(files={"config.json": json.dumps(config)})).task == "embed"


def test_weights_of_eight_bits_without_a_word_of_their_scales_are_refused(
    make_model: MakeModel, safetensors: Callable[..., bytes]
) -> None:
    folder = make_model(files={"model.safetensors": safetensors({"weight": ("I8", [64, 4])})})
    assert "its weights are int8, and config.json does not tell" in _refused(folder, PreconditionError).message


@pytest.mark.parametrize("folder", ["", "0_Transformer/"])
def test_an_adapter_beside_whole_weights_is_refused_with_the_way_out(
    make_model: MakeModel, safetensors: Callable[..., bytes], folder: str
) -> None:
    modules = [
        {"idx": 0, "name": "0", "path": folder.rstrip("/"), "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    weights = {
        f"{folder}model.safetensors": safetensors({"weight": ("F32", [8, 4])}),
        f"{folder}adapter_model.safetensors": safetensors({"lora_A": ("F32", [2, 4])}),
        f"{folder}adapter_config.json": json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"}),
    }
    files = {"model.safetensors": None, "modules.json": json.dumps(modules)} | weights
    error = _refused(make_model(files=files), PreconditionError)
    assert error.reason == "unsupported_adapter"
    assert f"`{folder}adapter_config.json` describes an adapter" in error.message
    assert "import each from a folder of its own" in error.message


def test_adapters_of_another_folder_change_nothing(make_model: MakeModel) -> None:
    files = {"checkpoint-1/adapter_config.json": "{}", "checkpoint-1/adapter_model.safetensors": b"x" * 9}
    assert _understand(make_model(files=files)).task == "embed"
