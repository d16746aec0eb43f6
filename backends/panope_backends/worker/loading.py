"""From the server's load frame to a model that has answered a trial run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import Backend, LoadedModel, LoadOptions, ModelFacts, PeerMemory, TensorModel, TokenModel
from panope_backends.errors import InternalError, PanopeError, PreconditionError, kind_of
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.isolation.own_code import prepare_for_own_code
from panope_backends.media.limits import MediaLimits
from panope_backends.plugins import load_backend
from panope_backends.tasks.registry import find_task
from panope_backends.tasks.task import AdapterTask, ArrayTask, Prepare, SequenceTask
from panope_backends.tasks.tensors.requests import tensor_requests
from panope_backends.worker import log
from panope_backends.worker.batch.batch_effects import Batching, arrays_move, measure_batching
from panope_backends.worker.batch.overhead import measure_overhead
from panope_backends.worker.budget import Budget, budget_of
from panope_backends.worker.checked_model import checked


@dataclass(frozen=True)
class ServedModel:
    """What the worker serves.

    Attributes:
        model: a TokenModel takes jobs of tokens; others are run by batches and steps.
        requests: makes jobs, by the name of the task that a request is for.
        sequences: runs token sequences; None when no request has any.
        max_padding: tokens of padding that cost as much as one more batch; 0 where padding changes answers; None when
            no sequences are run.
        overhead_tokens: as many as cost the device the same as a batch does besides its tokens; 0 when no sequences are
            run.
        runs_alone: whether texts change each other's answers, so that each is a batch of its own.
        ready: the frame that tells the server.
        budget: of one run.
        adapters: loads adapters beside it; None where it takes none.
        arrays: runs arrays; None when no request has any.
        arrays_alone: whether items of arrays change each other's answers, so that each is a batch of its own.
        prepares_long: whether making a job may take seconds.
        device_memory: tells what the process holds of its device's own memory; None for what no backend has loaded.
        peer_memory: tells what the processes hold that run the other parts of the model.
    """

    model: LoadedModel
    requests: Mapping[str, Prepare]
    sequences: SequenceTask | None
    max_padding: int | None
    overhead_tokens: int
    runs_alone: bool
    ready: wire.Ready
    budget: Budget
    adapters: AdapterTask | None = None
    arrays: ArrayTask | None = None
    arrays_alone: bool = False
    prepares_long: bool = False
    device_memory: Callable[[], int | None] | None = None
    peer_memory: Callable[[], Sequence[PeerMemory]] = tuple


def load_model(load: wire.Load) -> ServedModel:
    """Loads the backend and the model and runs it once.

    Raises:
        PanopeError: why it cannot be served; other exceptions are logged and become InternalError.
    """
    with loading_errors(load.model, load.backend):
        return _load(load)


@contextmanager
def loading_errors(model: str, backend: str) -> Iterator[None]:
    """Logs what goes wrong within, and raises it as what callers may read.

    Raises:
        PanopeError: always one.
    """
    try:
        yield
    except PanopeError as error:
        if error.__cause__ is not None:  # what an engine or a model's code raised, and a caller does not hear
            log.error("load_failed", error, model=model, backend=backend)
        raise
    except ImportError as error:
        log.error("load_failed", error, model=model, backend=backend)
        raise PreconditionError(f"the backend `{backend}` needs a package that is not installed") from None
    except BaseException as error:  # engines raise what they like, panics too; their texts are not for callers
        log.error("load_failed", error, model=model, backend=backend)
        if is_out_of_memory(error):
            told = f"the backend `{backend}` needs more memory to load `{model}` than its worker may have"
            raise PreconditionError(told) from None
        raise InternalError(
            f"the backend `{backend}` failed to load `{model}`: {kind_of(error)}; the log has more"
        ) from None


def _load(load: wire.Load) -> ServedModel:
    if prepare_for_own_code(Path(load.folder), load.grants, load.format):
        sys.stdout = sys.stderr  # what a model's code prints goes to the log
    source = FrameSource(load)
    loaded = find_task(load.task).load(source)
    if not loaded.is_tried:
        log.info("trial_run_skipped", reason="the model's inputs have no fixed shape")
    model = loaded.model
    budget = budget_of(
        loaded.config,
        max_tokens=load.max_batch_tokens,
        max_bytes=load.max_batch_bytes,
        values_per_token=loaded.values_per_token,
    )
    own = tensor_requests(model, budget.check) if isinstance(model, TensorModel) else {}
    requests = {**own, **loaded.requests}
    ready = _ready(model)
    ready.facts = loaded.facts
    ready.max_adapters = loaded.adapters.most if loaded.adapters is not None else 0
    batching, max_padding, overhead_tokens = None, None, 0
    if loaded.sequences is not None:
        batching = measure_batching(loaded.sequences, model.precision)
        overhead_tokens = measure_overhead(loaded.sequences)
        max_padding = overhead_tokens if batching is Batching.ANY else 0
        ready.batching = batching.value
    return ServedModel(
        model,
        requests,
        loaded.sequences,
        max_padding,
        overhead_tokens,
        batching is Batching.ALONE,
        ready,
        budget,
        loaded.adapters,
        loaded.arrays,
        arrays_alone=loaded.arrays is not None and arrays_move(loaded.arrays, model.precision),
        prepares_long=loaded.prepares_long or isinstance(model, TokenModel),
        device_memory=None if source.backend is None else partial(source.backend.device_memory_bytes, load.device),
        peer_memory=tuple if source.backend is None else source.backend.peer_memory,
    )


class FrameSource:
    """Loads a model as the server's load frame says."""

    def __init__(self, load: wire.Load) -> None:
        self._load = load
        self.backend: Backend | None = None
        self.folder = Path(load.folder)
        self.format = load.format
        self.cache_folder = Path(load.cache_folder) if load.cache_folder else None
        self.max_batch_tokens = load.max_batch_tokens
        self.max_memory_bytes = load.max_memory_bytes
        self.variant_digest = load.variant_digest
        self.grants = tuple(load.grants)
        self.settings = load.task_settings
        limits = load.media_limits
        self.media_limits = MediaLimits(
            limits.max_image_bytes,
            limits.max_image_pixels,
            limits.max_audio_bytes,
            limits.max_audio_seconds,
            limits.max_document_bytes,
            limits.max_pages,
            limits.max_page_seconds,
            limits.max_video_bytes,
            limits.max_video_pixels,
            limits.max_video_frames,
        )

    def load(self, config: Mapping[str, Any], folder: Path | None = None, *, head: str = "") -> TensorModel:
        """Loads the model on the frame's backend and device; see `ModelSource`."""
        return _require_tensors(self.load_any(config, folder, head=head), self._load)

    def load_any(
        self,
        config: Mapping[str, Any],
        folder: Path | None = None,
        *,
        options: LoadOptions | None = None,
        head: str = "",
    ) -> LoadedModel:
        """As `load`, of any kind."""
        load = self._load
        architecture = next(iter(config.get("architectures") or ()), "")
        facts = ModelFacts(load.model, load.format, load.task, architecture, config, tuple(load.grants), head=head)
        options = replace(
            options or LoadOptions(),
            precision=load.precision,
            cache_folder=self.cache_folder,
            backend_settings=load.backend_settings,
            peer_devices=tuple(load.peer_devices),
        )
        if self.backend is None:
            self.backend = load_backend(load.backend)
        loaded = self.backend.load(facts, folder or self.folder, load.device, options)
        return checked(loaded, load.backend, load.model)


def _require_tensors(model: LoadedModel, load: wire.Load) -> TensorModel:
    if isinstance(model, TensorModel):
        return model
    model.close()
    raise PreconditionError(
        f"the backend `{load.backend}` loads `{load.model}` to generate tokens, and its task is "
        f"`{load.task or 'tensors'}`",
        reason="unsupported_model_kind",
    )


def _ready(model: LoadedModel) -> wire.Ready:
    if not isinstance(model, TensorModel):
        return wire.Ready(precision=model.precision, slots=model.slots if isinstance(model, TokenModel) else 0)
    return wire.Ready(
        inputs=[wire.TensorSpec(name=s.name, dtype=s.dtype, shape=s.shape) for s in model.inputs],
        outputs=[wire.TensorSpec(name=s.name, dtype=s.dtype, shape=s.shape) for s in model.outputs],
        precision=model.precision,
    )
