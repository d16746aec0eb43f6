"""The conversion program: one job in, a complete model folder and one line out."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.testing.models import tiny_transformer

CONVERT = "panope_backends.programs.convert"

CHATTY = """
import os, sys
from pathlib import Path
from panope_backends.api import Conversion
from panope_backends.testing import EchoBackend

print("said at import")

class ChattyBackend(EchoBackend):
    def conversions(self):
        return (Conversion(("safetensors",), "echo", "fp32", "7"),)

    def convert(self, model, conversion, folder, out):
        assert conversion.engine_version == "7"
        print("said in Python")
        os.write(1, b"said by native code\\n")
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
        if model.task == "fail":
            raise RuntimeError("secret /path/of/something")
        (out / "echo.bin").write_bytes(b"echo")
        (out / "config.json").write_text("{}")
"""


def job(source: Path, out: Path, backend: str = "openvino", target: str = "openvino", **changes: Any) -> dict[str, Any]:
    config = json.loads((source / "config.json").read_text()) if (source / "config.json").exists() else {}
    model = {"name": "a/b", "format": "safetensors", "task": "embed", "architecture": "", "config": config} | changes
    target = {"backend": backend, "format": target, "precision": "fp32"}
    return target | {"model": model, "folder": str(source), "out": str(out)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "2_Dense").mkdir(parents=True)
    (folder / "2_Dense" / "model.safetensors").write_bytes(b"another module's weights")
    (folder / "generation_config.json").write_text("{}")
    return folder


@pytest.fixture
def chatty(tmp_path: Path) -> dict[str, str]:
    """An environment in which `chatty_backend:ChattyBackend` can be imported."""
    (tmp_path / "chatty_backend.py").write_text(CHATTY)
    return dict(os.environ) | {"PYTHONPATH": str(tmp_path)}


def test_the_result_is_complete_and_computes_the_same(run_program: Any, source: Path, tmp_path: Path) -> None:
    facts = tiny_transformer(source)
    out = tmp_path / "out"
    ended = run_program(CONVERT, document=job(source, out))
    version = OpenVinoBackend().conversions()[0].engine_version
    assert ended.code == 0
    assert ended.report == {"ok": True, "format": "openvino", "precision": "fp32", "engine_version": version}
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        "config.json",
        "generation_config.json",
        "openvino_model.xml",
        "openvino_model.bin",
        "2_Dense/model.safetensors",
    }
    ids = np.arange(24).reshape(2, 12)
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    exact = LoadOptions(precision="fp32")
    expected = CpuBackend().load(facts, source, "CPU", exact).run(arrays)["last_hidden_state"]
    found = OpenVinoBackend().load(ModelFacts("a/b", "openvino"), out, "CPU", exact).run(arrays)["last_hidden_state"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_libraries_print_never_reaches_stdout(
    run_program: Any, source: Path, tmp_path: Path, chatty: dict[str, str]
) -> None:
    document = job(source, tmp_path / "out", "chatty_backend:ChattyBackend", "echo")
    ended = run_program(CONVERT, document=document, environment=chatty)
    assert ended.report == {"ok": True, "format": "echo", "precision": "fp32", "engine_version": "7"}
    assert all(said in ended.log for said in ("said at import", "said in Python", "said by native code"))


def test_what_the_converter_wrote_is_not_written_over(
    run_program: Any, source: Path, tmp_path: Path, chatty: dict[str, str]
) -> None:
    (source / "config.json").write_text('{"model_type": "bert"}')
    out = tmp_path / "out"
    run_program(CONVERT, document=job(source, out, "chatty_backend:ChattyBackend", "echo"), environment=chatty)
    assert (out / "config.json").read_text() == "{}"


def test_a_defect_is_told_without_its_text_and_logged_with_it(
    run_program: Any, source: Path, tmp_path: Path, chatty: dict[str, str]
) -> None:
    document = job(source, tmp_path / "out", "chatty_backend:ChattyBackend", "echo", task="fail")
    ended = run_program(CONVERT, document=document, environment=chatty)
    assert ended.code == 1
    assert ended.report == {
        "ok": False,
        "kind": "internal_error",
        "reason": "internal_error",
        "message": "the conversion failed: RuntimeError; the log has more",
    }
    assert "secret /path/of/something" in ended.log


def test_routes_that_look_words_up_are_refused_before_others_are_converted(
    run_program: Any, source: Path, tmp_path: Path, chatty: dict[str, str]
) -> None:
    types = {"words": "BoW", "encoder": "Transformer", "pooling": "Pooling"}
    router = {
        "types": {name: f"sentence_transformers.models.{kind}" for name, kind in types.items()},
        "structure": {"document": ["encoder", "pooling"], "query": ["words"]},
        "parameters": {},
    }
    files = {
        "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}],
        "router_config.json": router,
        "words/config.json": {"vocab": ["river"], "word_weights": {}},
        "encoder/config.json": {"model_type": "bert", "architectures": ["BertModel"]},
        "pooling/config.json": {"pooling_mode": "mean"},
    }
    for name, content in files.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(json.dumps(content))
    asked = job(source, tmp_path / "out", "chatty_backend:ChattyBackend", "echo")
    ended = run_program(CONVERT, document=asked, environment=chatty)
    assert ended.report["reason"] == "unsupported_model"
    assert "words are looked up in a table" in ended.report["message"]
    assert "said in Python" not in ended.log


@pytest.mark.parametrize(
    ("backend", "changes", "reason", "message"),
    [
        ("openvino", {"format": "gguf"}, "no_converter", "backend `openvino` does not convert gguf to openvino fp32"),
        ("panope_backends.testing:EchoBackend", {}, "no_converter", "EchoBackend` converts nothing"),
        ("nobody", {}, "unknown_backend", "there is no backend `nobody`"),
        ("openvino", {"task": "detect"}, "unsupported_model", "not for `detect`"),
        (
            "openvino",
            {"config": {"model_type": "bert", "architectures": ["B"], "auto_map": {"AutoModel": "a.B"}}},
            "unsupported_model",
            "code of the model's own",
        ),
        ("openvino", {"config": {"model_type": "bert"}}, "load_failed", "transformers refuses the model's files"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    run_program: Any, source: Path, tmp_path: Path, backend: str, changes: dict[str, Any], reason: str, message: str
) -> None:
    ended = run_program(CONVERT, document=job(source, tmp_path / "out", backend, "openvino", **changes))
    assert ended.code == 1
    assert ended.report["reason"] == reason
    assert message in ended.report["message"]
    assert str(tmp_path) not in ended.report["message"]


@pytest.mark.slow
def test_a_model_whose_operations_openvino_does_not_have_is_refused_without_its_words(
    run_program: Any, source: Path, tmp_path: Path
) -> None:
    """OpenVINO's error for it, `OpConversionFailure`, is of no family."""
    grouped = {"num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2}
    facts = tiny_transformer(source, "mixtral", **grouped)
    ended = run_program(CONVERT, document=job(source, tmp_path / "out", config=dict(facts.config)))
    assert ended.report == {
        "ok": False,
        "kind": "failed_precondition",
        "reason": "conversion_failed",
        "message": "OpenVINO cannot convert this model: OpConversionFailure of openvino; the log has more",
    }
    assert "OpConversionFailure" in ended.log


def test_a_folder_with_something_in_it_is_refused(run_program: Any, source: Path, tmp_path: Path) -> None:
    ended = run_program(CONVERT, document=job(source, source))
    assert ended.report["message"] == "the folder for the result is not empty"


@pytest.mark.parametrize("document", ["", "{", "[]", '{"backend": "openvino"}', '{"unknown": 1}'])
def test_a_job_that_is_not_understood_is_refused(run_program: Any, document: str) -> None:
    ended = run_program(CONVERT, document=document)
    assert ended.code == 1
    assert ended.report["reason"] == "invalid_input"


@pytest.mark.slow
def test_a_transformer_in_a_folder_of_its_own_is_converted_there(
    run_program: Any, source: Path, tmp_path: Path
) -> None:
    place = source / "0_Transformer"
    place.mkdir()
    facts = tiny_transformer(place)
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 32}))
    modules = [("0_Transformer", "Transformer"), ("1_Pooling", "Pooling")]
    named = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules]
    listed = [{"idx": n, "name": str(n)} | module for n, module in enumerate(named)]
    (source / "modules.json").write_text(json.dumps(listed))

    out = tmp_path / "out"
    ended = run_program(CONVERT, document=job(source, out, config=dict(facts.config)))
    assert ended.report["ok"], ended.log
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {"0_Transformer/openvino_model.xml", "0_Transformer/config.json", "modules.json"} <= written
    assert "0_Transformer/model.safetensors" not in written
    assert "2_Dense/model.safetensors" in written
    exact = LoadOptions(precision="fp32")
    arrays = {name: np.ones((1, 4), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    expected = CpuBackend().load(facts, place, "CPU", exact).run(arrays)
    found = OpenVinoBackend().load(facts, out / "0_Transformer", "CPU", exact).run(arrays)
    np.testing.assert_allclose(found["last_hidden_state"], expected["last_hidden_state"], atol=1e-4)
