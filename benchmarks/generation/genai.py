"""OpenVINO GenAI's continuous batching over the model that generation is measured with, for comparison alone.

It needs the package `openvino-genai` of OpenVINO's own version, which nothing else does, and reads no paged graph of
ours: the model is traced with its cache as state, as GenAI wants it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: What GenAI calls the precisions.
PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
_EXAMPLE = (2, 3, 5)
"""Sequences, new tokens and past ones of the example that is traced, no two alike: none is taken for another."""


def export(source: Path, folder: Path) -> None:
    """Writes the model, its tokenizer and its configuration as GenAI reads them."""
    import openvino
    import torch
    from openvino._offline_transformations import apply_make_stateful_transformation
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(source, attn_implementation="sdpa", dtype=torch.float32).eval()
    config = model.config
    heads, size = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
    sequences, new, past = _EXAMPLE
    caches = [torch.randn(sequences, heads, past, size) for _ in range(2 * config.num_hidden_layers)]
    positions = torch.arange(past, past + new)[None].expand(sequences, new).contiguous()
    example = (torch.zeros(sequences, new, dtype=torch.int64), torch.ones(sequences, past + new, dtype=torch.int64))
    with torch.no_grad():
        graph = openvino.convert_model(_stateless(model), example_input=(*example, positions, *caches))
    names = ["input_ids", "attention_mask", "position_ids"]
    names += [f"past.{index}" for index in range(len(caches))]
    for port, name in zip(graph.inputs, names, strict=True):
        port.get_tensor().set_names({name})
        shape = [-1, heads, -1, size] if name.startswith("past") else [-1, -1]
        port.get_node().set_partial_shape(openvino.PartialShape(shape))
    presents = [name.replace("past", "present") for name in names[3:]]
    for port, name in zip(graph.outputs, ["logits", *presents], strict=True):
        port.get_tensor().set_names({name})
    _reorder_by_beam(graph)
    apply_make_stateful_transformation(graph, dict(zip(names[3:], presents, strict=True)))
    _start_empty(graph, heads, size)
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(graph, folder / "openvino_model.xml", compress_to_fp16=False)  # as the variant is
    readers = convert_tokenizer(AutoTokenizer.from_pretrained(source), with_detokenizer=True)
    for reader, name in zip(readers, ("tokenizer", "detokenizer"), strict=True):
        openvino.save_model(reader, folder / f"openvino_{name}.xml")
    shutil.copy(source / "config.json", folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": config.eos_token_id}))


def _stateless(model: Any) -> Any:
    """The model with its cache as arguments and results."""
    import torch
    from transformers import DynamicCache

    class Stateless(torch.nn.Module):  # type: ignore[misc] # PyTorch is not checked
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, position_ids: Any, *past: Any) -> tuple[Any, ...]:
            cache = DynamicCache(config=model.config)
            for index, layer in enumerate(cache.layers):
                layer.lazy_initialization(past[2 * index], past[2 * index + 1])
                layer.keys, layer.values = past[2 * index], past[2 * index + 1]
            output = self.model(
                input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache
            )
            present = [part for layer in output.past_key_values.layers for part in (layer.keys, layer.values)]
            return (output.logits, *present)

    return Stateless()


def _reorder_by_beam(graph: Any) -> None:
    """Adds the input `beam_idx`, which GenAI expects and its continuous batching takes out again."""
    import openvino.opset13 as ops

    beams = ops.parameter([-1], np.int32, name="beam_idx")
    beams.output(0).set_names({"beam_idx"})
    graph.add_parameters([beams])
    for port in graph.inputs:
        if port.get_any_name().startswith("past"):
            readers = port.get_target_inputs()
            chosen = ops.gather(port.get_node(), beams, ops.constant(np.int64(0)))
            for reader in readers:
                reader.replace_source_output(chosen.output(0))
    graph.validate_nodes_and_infer_types()


def _start_empty(graph: Any, heads: int, size: int) -> None:
    """Gives each state a first value, by which GenAI knows a cache."""
    import openvino.opset13 as ops

    ids = next(port for port in graph.inputs if port.get_any_name() == "input_ids")
    sequences = ops.gather(ops.shape_of(ids, output_type="i64"), ops.constant([0]), ops.constant(0))
    shape = ops.concat([sequences, ops.constant(np.array([heads, 0, size], np.int64))], axis=0)
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([ops.broadcast(ops.constant(np.float32(0)), shape)])
    graph.validate_nodes_and_infer_types()


class GenAi:
    """GenAI's loop, with the settings that the core has in the comparison.

    Args:
        folder: that `export` has written.
        precision: that the instance computes in.
        step_tokens: of a step.
        blocks: of the cache.
    """

    def __init__(self, folder: Path, precision: str, step_tokens: int, blocks: int) -> None:
        import openvino_genai

        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_batched_tokens = step_tokens
        scheduler.num_kv_blocks = blocks
        scheduler.enable_prefix_caching = False  # prompts are new, so that it would only cost
        scheduler.max_num_seqs = 64
        properties = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision], "PERFORMANCE_HINT": "LATENCY"}
        self._config = openvino_genai.GenerationConfig
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
        self._last = 0

    def answers(self, prompts: Sequence[Sequence[int]], new: int) -> Iterator[list[tuple[int, list[int]]]]:
        """Greedy answers: after each step, which prompts have tokens more, and which."""
        import openvino

        config = self._config()
        config.max_new_tokens, config.ignore_eos, config.do_sample = new, True, False
        handles = []
        for prompt in prompts:
            self._last += 1
            ids = openvino.Tensor(np.array([prompt], np.int64))
            handles.append(self._pipeline.add_request(self._last, ids, config))
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
            yield [
                (number, [token for output in handle.read().values() for token in output.generated_ids])
                for number, handle in enumerate(handles)
                if handle.can_read()
            ]


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
