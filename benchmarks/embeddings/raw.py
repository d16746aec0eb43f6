"""The engine alone: what a careful person would write around OpenVINO in an afternoon.

Texts in arrival order, 32 at a time, padded to the longest of the batch; tokenising, mean pooling and normalising are
part of the time, as they are of the server's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from tokenizers import Tokenizer

BATCH = 32


class RawEngine:
    """MiniLM on OpenVINO in this process."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)
        core = openvino.Core()
        hint = {"bf16": openvino.Type.bf16, "fp32": openvino.Type.f32}[precision]
        config = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        model = core.compile_model(folder / "openvino_model.xml", "CPU", config)
        self._names = [port.any_name for port in model.inputs]
        self._request = model.create_infer_request()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of one batch, normalised."""
        encodings = self._tokenizer.encode_batch(list(texts))
        longest = max(len(encoding.ids) for encoding in encodings)
        ids = np.zeros((len(texts), longest), np.int64)
        mask = np.zeros((len(texts), longest), np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._request.infer({name: arrays[name] for name in self._names})[0]
        weights = mask.astype(np.float32)[:, None, :]
        vectors = (weights @ hidden)[:, 0] / weights.sum(axis=2)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def loop(self, texts: Sequence[str]) -> float:
        """Texts a second over all texts, batch by batch in their order."""
        started = time.perf_counter()
        for start in range(0, len(texts), BATCH):
            self.embed(texts[start : start + BATCH])
        return len(texts) / (time.perf_counter() - started)

    def latencies(self, texts: Sequence[str]) -> list[float]:
        """Seconds of each text alone."""
        found = []
        for text in texts:
            started = time.perf_counter()
            self.embed([text])
            found.append(time.perf_counter() - started)
        return found
