"""Small models that are Python code, in Triton's form and as skills."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from panope_backends.api import ModelFacts

GRANTS = ("remote_code",)

CONFIG = """
backend: "python"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "sum" data_type: TYPE_FP64 dims: [ 1 ] } ]
"""

CODE = """
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        output = pb_utils.get_output_config_by_name(config, "doubled")
        self.dtype = pb_utils.triton_string_to_numpy(output["data_type"])

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            doubled = pb_utils.Tensor("doubled", (2 * x).astype(self.dtype))
            total = pb_utils.Tensor("sum", x.sum(axis=1, keepdims=True, dtype=np.float64))
            responses.append(pb_utils.InferenceResponse([doubled, total]))
        return responses
"""

TEXT_CONFIG = """
backend: "python"
input [ { name: "texts" data_type: TYPE_STRING dims: [ -1 ] } ]
output [ { name: "lengths" data_type: TYPE_INT64 dims: [ -1 ] }, { name: "loud" data_type: TYPE_STRING dims: [ -1 ] } ]
"""

TEXT_CODE = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            texts = pb_utils.get_input_tensor_by_name(request, "texts").as_numpy()
            loud = np.array([text.decode().upper() for text in texts], dtype=np.object_)
            lengths = np.array([len(text) for text in texts], dtype=np.int64)
            tensors = [pb_utils.Tensor("lengths", lengths), pb_utils.Tensor("loud", loud)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
"""

SKILL_CODE = """
import asyncio


class hf_lengths:
    def __init__(self, resources=None, metadata=None):
        self.resources = resources

    def init_cpu(self, model_name, device, cpu_label):
        handler = self.create_cpu_text_embedding_endpoint_handler(model_name, device, cpu_label, len, str.split)
        return len, str.split, handler, asyncio.Queue(32), 0

    def create_cpu_text_embedding_endpoint_handler(self, endpoint_model, device, hardware_label, endpoint, tokenizer):
        def handler(text, *args, **kwargs):
            batch = [text] if isinstance(text, str) else text
            vectors = [[endpoint(each), len(tokenizer(each))] for each in batch]
            return {"success": True, "embeddings": vectors, "device": device, "hardware": hardware_label}

        return handler
"""


def embedding_skill(folder: Path, code: str = SKILL_CODE) -> ModelFacts:
    """Writes a skill whose vectors are the numbers of letters and of words."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hf_lengths.py").write_text(code)
    return ModelFacts("test/skill", "python", "embed", grants=GRANTS)


def triton_model(
    folder: Path, code: str = CODE, config: str = CONFIG, files: Mapping[str, bytes | str] = {}
) -> ModelFacts:
    """Writes a model's folder.

    Args:
        folder: that gets `config.pbtxt` and `1/model.py`.
        code: of the model.
        config: of the model.
        files: more of them, by their paths.
    """
    for path, content in {"config.pbtxt": config, "1/model.py": code, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return ModelFacts("test/code", "python", grants=GRANTS)


def executing(body: str, *, before: str = "") -> str:
    """The code of a model of `CONFIG` whose `execute` has a body, with `request` and `x` at hand.

    Args:
        body: indented by eight spaces but for its first line.
        before: stands above the class.
    """
    return f"""
import numpy as np
import triton_python_backend_utils as pb_utils
{before}

class TritonPythonModel:
    def execute(self, requests):
        (request,) = requests
        x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        {body}
"""
