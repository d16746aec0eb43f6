"""Models without a task of their own: tensors alone are run on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api import TensorSpec
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.tokenize.requests import without_tokenizer


class TensorModule(TaskModule):
    """Loads any model."""

    name = ""

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the model and runs zeros once, where it leaves no choice of shape but the size of the batch."""
        config = read_json(source.folder / "config.json", missing_ok=True)
        model = source.load(config)
        is_tried = model.has_trial and not any(-1 in spec.shape[1:] for spec in model.inputs)
        if is_tried:
            model.run({spec.name: _zeros(spec) for spec in model.inputs})
        return LoadedTask(model, config, without_tokenizer(), is_tried=is_tried)


def _zeros(spec: TensorSpec) -> np.ndarray[Any, Any]:
    return np.zeros([max(1, length) for length in spec.shape], dtype=spec.dtype)
