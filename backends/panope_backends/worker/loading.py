"""From the server's load frame to a model that has answered a trial run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import LoadedModel, LoadOptions, ModelFacts, TensorModel, TensorSpec
from panope_backends.confine import is_out_of_memory
from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_backends.plugins import load_backend
from panope_backends.programs.prepare_tokenizer import prepared_tokenizer
from panope_backends.tasks.embed.config_files import read_embed_files
from panope_backends.tasks.embed.embed import EmbedTask
from panope_backends.tasks.embed.tokenizer import TextTokenizer
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import SequenceTask
from panope_backends.worker import log
from panope_backends.worker.batch.batch_effects import Batching, measure_batching
from panope_backends.worker.batch.padding import measure_padding
from panope_backends.worker.budget import Budget, budget_of


@dataclass(frozen=True)
class ServedModel:
    """What the worker serves.

    Attributes:
        task_name: empty when tensors alone are served.
        max_padding: tokens of padding that cost as much as one more batch; 0 where padding changes answers; None when
            tensors alone are served.
        runs_alone: whether texts change each other's answers, so that each is a batch of its own.
        ready: the frame that tells the server.
        budget: of one run.
    """

    model: TensorModel
    task_name: str
    task: SequenceTask | None
    tokenizer: TextTokenizer | None
    max_padding: int | None
    runs_alone: bool
    ready: wire.Ready
    budget: Budget

    def require_tokenizer(self) -> TextTokenizer:
        """The tokenizer.

        Raises:
            PreconditionError: the model has none.
        """
        if self.tokenizer is None:
            raise PreconditionError("the model has no tokenizer")
        return self.tokenizer


def load_model(load: wire.Load) -> ServedModel:
    """Loads the backend and the model and runs it once.

    Raises:
        PanopeError: why it cannot be served; other exceptions are logged and become InternalError.
    """
    try:
        return _load(load)
    except PanopeError:
        raise
    except ImportError as error:
        log.error("load_failed", error, model=load.model, backend=load.backend)
        raise PreconditionError(f"the backend `{load.backend}` needs a package that is not installed") from None
    except BaseException as error:  # engines raise what they like, panics too; their texts are not for callers
        log.error("load_failed", error, model=load.model, backend=load.backend)
        if is_out_of_memory(error):
            raise PreconditionError(f"loading `{load.model}` needs more memory than its worker may have") from None
        raise InternalError(f"the backend `{load.backend}` failed to load `{load.model}`; the log has more") from None


def _load(load: wire.Load) -> ServedModel:
    folder = Path(load.folder)
    if load.task == "":
        config = read_json(folder / "config.json", missing_ok=True)
        model = _load_tensors(load, folder, config)
        _try_tensors(model)
        return ServedModel(model, "", None, None, None, False, _ready(model), _budget(load, config))
    if load.task != "embed":
        raise PreconditionError(f"this worker does not do the task `{load.task}`")
    files = read_embed_files(folder)
    model = _load_tensors(load, files.transformer_folder, files.config)
    # After the model: an engine that has imported transformers by now saves a process.
    prepared = prepared_tokenizer(folder, files, Path(load.cache_folder) if load.cache_folder else None)
    tokenizer = TextTokenizer(prepared)
    max_tokens = prepared.max_tokens or load.max_batch_tokens
    task = EmbedTask(files, tokenizer, model, max_tokens=max_tokens)
    task.trial()
    batching = measure_batching(task, model.precision)
    max_padding = measure_padding(task) if batching is Batching.ANY else 0
    ready = _ready(model)
    ready.embed.CopyFrom(task.facts)
    ready.embed.batching = batching.value
    alone = batching is Batching.ALONE
    return ServedModel(model, load.task, task, tokenizer, max_padding, alone, ready, _budget(load, files.config))


def _budget(load: wire.Load, config: Mapping[str, Any]) -> Budget:
    return budget_of(config, max_tokens=load.max_batch_tokens, max_bytes=load.max_batch_bytes)


def _load_tensors(load: wire.Load, folder: Path, config: Mapping[str, Any]) -> TensorModel:
    architecture = next(iter(config.get("architectures") or ()), "")
    facts = ModelFacts(load.model, load.format, load.task, architecture, config, tuple(load.grants))
    cache = Path(load.cache_folder) if load.cache_folder else None
    options = LoadOptions(precision=load.precision, cache_folder=cache)
    return _require_tensors(load_backend(load.backend).load(facts, folder, load.device, options), load)


def _require_tensors(model: LoadedModel, load: wire.Load) -> TensorModel:
    if isinstance(model, TensorModel):
        return model
    model.close()
    raise PreconditionError(
        f"the backend `{load.backend}` loads `{load.model}` to generate tokens, which is not served yet",
        reason="unsupported_model_kind",
    )


def _try_tensors(model: TensorModel) -> None:
    """Runs zeros once, where the model leaves no choice of shape but the size of the batch."""
    if any(-1 in spec.shape[1:] for spec in model.inputs):
        log.info("trial_run_skipped", reason="the model's inputs have no fixed shape")
        return
    model.run({spec.name: _zeros(spec) for spec in model.inputs})


def _zeros(spec: TensorSpec) -> np.ndarray[Any, Any]:
    return np.zeros([max(1, length) for length in spec.shape], dtype=spec.dtype)


def _ready(model: TensorModel) -> wire.Ready:
    return wire.Ready(
        inputs=[wire.TensorSpec(name=s.name, dtype=s.dtype, shape=s.shape) for s in model.inputs],
        outputs=[wire.TensorSpec(name=s.name, dtype=s.dtype, shape=s.shape) for s in model.outputs],
        precision=model.precision,
    )
