"""The cpu engine: PyTorch and ONNX Runtime."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import T5EncoderModel

from panope_backends.api import Device, Level, LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.engines.torch.devices import cpu
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.host import processor_model
from panope_backends.testing.models import tiny_onnx, tiny_transformer

CPU = Device("cpu", "CPU")


def inputs(batch: int = 2, length: int = 6) -> dict[str, np.ndarray[Any, Any]]:
    ids = np.random.default_rng(0).integers(3, 90, (batch, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def facts_of(folder: Path) -> ModelFacts:
    return ModelFacts(
        "test/bert", "safetensors", "embed", "BertModel", json.loads((folder / "config.json").read_text())
    )


X_CLIP = {"model_type": "xclip", "architectures": ["XCLIPModel"], "vision_config": {}, "text_config": {}}
T5 = {"model_type": "t5", "is_encoder_decoder": True}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_attention_heads", 5),
        ("hidden_size", "32"),
        ("hidden_act", 3),
        ("hidden_act", "nothing"),
        ("vocab_size", [1]),
        ("layer_norm_eps", "x"),
        ("num_hidden_layers", 1.5),
    ],
)
def test_a_configuration_that_transformers_does_not_take_is_a_refusal(tmp_path: Path, key: str, value: object) -> None:
    facts = tiny_transformer(tmp_path)
    config = {**facts.config, key: value}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(PreconditionError, match="transformers refuses the model's files") as refusal:
        CpuBackend().load(replace(facts, config=config), tmp_path, "CPU", LoadOptions())
    assert refusal.value.reason == "load_failed"


@pytest.mark.parametrize(
    ("model", "level"),
    [
        (ModelFacts("a/b", "safetensors", "embed", config={"model_type": "bert"}), Level.FULL),
        (ModelFacts("a/b", "onnx"), Level.FULL),
        (ModelFacts("a/b", "gguf"), Level.NONE),
        (ModelFacts("a/b", "safetensors", "embed"), Level.NONE),
        (ModelFacts("a/b", "safetensors", "classify", config={"model_type": "bert"}), Level.NONE),
        (ModelFacts("a/b", "safetensors", "embed", config={"model_type": "x", "auto_map": {"A": "b.C"}}), Level.NONE),
        (
            ModelFacts("a/b", "safetensors", "embed", config={"model_type": "bart", "is_encoder_decoder": True}),
            Level.NONE,
        ),
        (ModelFacts("a/b", "safetensors", "", config=T5), Level.NONE),
        (ModelFacts("a/b", "safetensors", "classify", "XCLIPModel", X_CLIP), Level.NONE),
        (ModelFacts("a/b", "safetensors", "embed", "XCLIPModel", X_CLIP), Level.NONE),
        (
            ModelFacts("a/b", "safetensors", "embed", config=T5),
            Level.FULL,
        ),
    ],
)
def test_support_is_told_from_facts(model: ModelFacts, level: Level) -> None:
    support = CpuBackend().supports(model, CPU)
    assert support.level is level
    assert support.reason


def test_bf16_is_offered_and_close_to_fp32_where_the_processor_has_it(bert: Path) -> None:
    if not processor_model.has_native_bf16():
        pytest.skip("this processor has no native bf16")
    exact, quick = (
        CpuBackend().load(facts_of(bert), bert, "CPU", LoadOptions(precision=precision))
        for precision in ("fp32", "bf16")
    )
    first, second = (model.run(inputs())["last_hidden_state"] for model in (exact, quick))
    assert second.dtype == np.float32
    assert 0 < np.abs(first - second).max() < 0.1


def test_bf16_is_refused_by_name_where_the_processor_lacks_it(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "has_native_bf16", lambda: False)
    assert CpuBackend().devices()[0].precisions == ("fp32",)
    with pytest.raises(PreconditionError, match="`bf16`"):
        CpuBackend().load(facts_of(bert), bert, "CPU", LoadOptions(precision="bf16"))


def test_onnx_in_bf16_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="ONNX Runtime cannot compute in precision `bf16`"):
        CpuBackend().load(tiny_onnx(tmp_path), tmp_path, "CPU", LoadOptions(precision="bf16"))


def test_another_device_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="no device `cuda:0`"):
        CpuBackend().load(tiny_onnx(tmp_path), tmp_path, "cuda:0", LoadOptions())


def test_a_token_id_past_the_vocabulary_is_the_callers_fault(bert: Path) -> None:
    model = CpuBackend().load(facts_of(bert), bert, "CPU", LoadOptions())
    with pytest.raises(InvalidInputError, match="token id"):
        model.run(inputs() | {"input_ids": np.full((2, 6), 10_000)})


def test_shapes_that_do_not_fit_each_other_are_the_callers_fault(bert: Path, tmp_path: Path) -> None:
    torch_model = CpuBackend().load(facts_of(bert), bert, "CPU", LoadOptions())
    with pytest.raises(InvalidInputError, match="shapes"):
        torch_model.run(inputs() | {"token_type_ids": np.zeros((2, 4), np.int64)})
    onnx_model = CpuBackend().load(tiny_onnx(tmp_path), tmp_path, "CPU", LoadOptions())
    with pytest.raises(InvalidInputError, match="together"):
        onnx_model.run(inputs() | {"attention_mask": np.ones((2, 4), np.int64)})


@pytest.mark.parametrize("setting", ["return_dict", "output_hidden_states", "output_attentions"])
def test_settings_of_how_results_come_change_none(tmp_path: Path, setting: str) -> None:
    facts = tiny_transformer(tmp_path)
    plain = CpuBackend().load(facts, tmp_path, "CPU", LoadOptions()).run(inputs())
    config = dict(facts.config) | {setting: setting != "return_dict"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = CpuBackend().load(replace(facts, config=config), tmp_path, "CPU", LoadOptions())
    found = model.run(inputs())["last_hidden_state"]
    np.testing.assert_allclose(found, plain["last_hidden_state"], atol=1e-6)


def test_weights_that_are_missing_are_refused_and_not_made_up(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = "encoder.layer.1.attention.self.query.weight"
    del weights[lost]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PreconditionError, match=f"lack 1 weights, such as `{lost}`"):
        CpuBackend().load(facts, tmp_path, "CPU", LoadOptions())


def test_a_missing_pooler_is_no_fault(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    weights = {n: w for n, w in load_file(tmp_path / "model.safetensors").items() if not n.startswith("pooler.")}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert CpuBackend().load(facts, tmp_path, "CPU", LoadOptions()).run(inputs())


def test_pickled_weights_are_never_opened(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(PreconditionError, match="transformers refuses") as refusal:
        CpuBackend().load(facts, tmp_path, "CPU", LoadOptions())
    assert str(tmp_path) not in refusal.value.message


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    config = dict(facts.config) | {"architectures": ["Evil"], "auto_map": {"AutoModel": "evil.Evil"}}
    with pytest.raises(PreconditionError, match="code of the model's own"):
        CpuBackend().load(replace(facts, config=config), tmp_path, "CPU", LoadOptions())


def test_code_in_the_place_of_a_known_class_is_refused_without_a_grant(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    config = dict(facts.config) | {"auto_map": {"AutoModel": "evil.Evil"}}
    with pytest.raises(PreconditionError, match=r"config\.json asks for code .*`auto_map`"):
        CpuBackend().load(replace(facts, config=config), tmp_path, "CPU", LoadOptions())


def test_code_for_a_head_is_left_alone(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path)
    config = dict(facts.config) | {"auto_map": {"AutoModelForMaskedLM": "evil.Evil"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit")
    for grants in ((), ("remote_code",)):
        CpuBackend().load(replace(facts, config=config, grants=grants), tmp_path, "CPU", LoadOptions()).close()


def test_onnx_is_found_where_exporters_put_it(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    facts = tiny_onnx(tmp_path / "onnx")
    assert CpuBackend().load(facts, tmp_path, "CPU", LoadOptions()).outputs


def test_a_folder_without_onnx_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    facts = ModelFacts("a/b", "onnx")
    with pytest.raises(PreconditionError, match=r"no file `model\.onnx`"):
        CpuBackend().load(facts, tmp_path, "CPU", LoadOptions())
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(PreconditionError, match="ONNX Runtime refuses the model"):
        CpuBackend().load(facts, tmp_path, "CPU", LoadOptions())


def test_a_wished_output_alone_is_computed_and_named(tmp_path: Path) -> None:
    model = CpuBackend().load(tiny_onnx(tmp_path), tmp_path, "CPU", LoadOptions())
    found = model.run({name: inputs()[name] for name in ("input_ids", "attention_mask")}, ["length"])
    np.testing.assert_array_equal(found["length"], [6, 6])


def test_onnx_needs_no_torch(tmp_path: Path) -> None:
    tiny_onnx(tmp_path)
    program = f"""
import sys
from pathlib import Path
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.plugins import load_backend
backend = load_backend("cpu")
backend.devices()
assert "onnxruntime" not in sys.modules
backend.load(ModelFacts("a/b", "onnx"), Path({str(tmp_path)!r}), "CPU", LoadOptions())
assert "onnxruntime" in sys.modules
assert not {{"torch", "transformers", "openvino"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_encoder_of_a_t5_is_run_as_the_library_runs_it(tmp_path: Path) -> None:
    facts = tiny_transformer(tmp_path, "t5", d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    arrays = {name: array for name, array in inputs().items() if name != "token_type_ids"}
    with torch.inference_mode():
        library = T5EncoderModel.from_pretrained(tmp_path).eval()
        expected = library(**{name: torch.from_numpy(array) for name, array in arrays.items()}).last_hidden_state
    found = CpuBackend().load(facts, tmp_path, "CPU", LoadOptions(precision="fp32")).run(arrays)
    np.testing.assert_allclose(found["last_hidden_state"], expected.numpy(), atol=1e-5)
