"""From a model's name to a plan: on a real registry, with a machine of the test's own."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_backends.errors import AvailabilityError, InternalError, NotFoundError, PanopeError, PreconditionError
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.jobs import JobEntry
from panope_registry.registry import ModelEntry, Registry
from panope_registry.serving_records.profiles import Profile, Profiles
from panope_registry.session import RegistrySession
from panope_server.config import Settings, Workers
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.instances.worker.frames import load_frame
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.memory_budget import MemoryBudget
from panope_server.runtime.placement.plan import FailedPlan
from panope_server.runtime.placement.planning.load_planner import LoadPlanner

MODEL = ResolvedName("acme/tiny")
CARD = Device("torch-cuda", "cuda:0", memory_bytes=1 << 30)
CPU = Device("cpu", "CPU", memory_bytes=1 << 40)
FORMATS = {"torch-cuda": "other", "cpu": "safetensors"}
CONVERSION = Conversion(("safetensors",), "other", "fp32", "1", automatic=True)


class Machine:
    """A card that runs what is converted first, and a processor."""

    async def probe(self) -> Probe:
        return Probe((CARD, CPU), {"torch-cuda": (CONVERSION,)})

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        return {
            (device.backend, device.name): Support(
                Level.FULL if FORMATS[device.backend] == facts.format else Level.NONE, f"{device.backend} looked"
            )
            for device in (CARD, CPU)
        }


class AwayProfiles:
    def of_variants(self, digests: Sequence[str]) -> list[Profile]:
        raise AvailabilityError("away", reason="database_unavailable")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[RegistrySession]:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    save_file({"weight": np.zeros((1000, 250), np.float32)}, folder / "model.safetensors")
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path) as session:
        session.registry.import_folder(folder, MODEL.model)
        yield session


@pytest.fixture
def registry(session: RegistrySession) -> Registry:
    return session.registry


@pytest.fixture
def memory() -> MemoryBudget:
    return MemoryBudget()


@pytest.fixture
def profiles(session: RegistrySession) -> Profiles:
    return session.profiles


@dataclass
class Builds:
    """Stands for build jobs: makes what is asked for at once, or raises `failure`."""

    registry: Registry
    requests: list[BuildRequest] = field(default_factory=list)
    failure: PanopeError | None = None

    async def run(self, request: BuildRequest) -> JobEntry:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        (source,) = (each for each in self.registry.model(request.model).variants if each.derived_from is None)
        with TemporaryDirectory() as folder:
            (Path(folder) / "weights.other").write_bytes(b"converted")
            variant = self.registry.add_conversion(
                source.digest,
                Path(folder),
                task=self.registry.model(request.model).task,
                format=request.format,
                precision=request.precision,
                backend="torch-cuda",
                engine_version=CONVERSION.engine_version,
            )
        return SimpleNamespace(result={"variant": variant.digest})  # type: ignore[return-value]  # a stand-in


@pytest.fixture
def builds(registry: Registry) -> Builds:
    return Builds(registry)


@pytest.fixture
def planner(
    tmp_path: Path, registry: Registry, profiles: Profiles, memory: MemoryBudget, builds: Builds
) -> LoadPlanner:
    settings = Settings(home=str(tmp_path))
    # A stand-in, which the types do not know.
    return LoadPlanner(settings, registry, Machine(), profiles, memory, None, builds.run)  # type: ignore[arg-type]


async def test_the_first_way_is_made_ready_once_and_takes_its_memory(
    planner: LoadPlanner, memory: MemoryBudget, builds: Builds
) -> None:
    plan = await planner.plan(MODEL)
    assert (plan.backend, plan.format, plan.precision) == ("torch-cuda", "other", "")
    assert (plan.folder / "weights.other").read_bytes() == b"converted"
    assert "before cpu CPU with safetensors fp32" in plan.reason
    assert plan.memory_limit_bytes >= 1 << 30
    assert 1_000_000 <= plan.need_bytes <= 2_000_000  # a megabyte of weights and a fifth more
    assert plan.memory is not None
    assert memory.free_bytes(CARD) == CARD.memory_bytes - plan.memory.size_bytes < CARD.memory_bytes
    assert (await planner.plan(MODEL)).variant_digest == plan.variant_digest
    assert builds.requests == [BuildRequest(MODEL.model, "other", "fp32")], "what `panope build` asks for"


async def test_a_conversion_that_fails_gives_place_to_the_next_way(
    planner: LoadPlanner, memory: MemoryBudget, builds: Builds
) -> None:
    builds.failure = InternalError("the conversion failed; the log has the cause")
    plan = await planner.plan(MODEL)
    assert plan.backend == "cpu"
    assert plan.reason.endswith("torch-cuda failed: the conversion failed; the log has the cause")
    assert memory.free_bytes(CARD) == CARD.memory_bytes  # the card is left to others


async def test_a_way_that_was_made_ready_and_could_not_be_loaded_gives_place_to_the_next(planner: LoadPlanner) -> None:
    first = await planner.plan(MODEL)
    refusal = PreconditionError("the model takes 44; texts give only input_ids", reason="load_failed")
    second = await planner.plan(MODEL, failed=[FailedPlan(first, refusal)])
    assert (first.backend, second.backend) == ("torch-cuda", "cpu")
    assert second.reason.endswith("torch-cuda failed: the model takes 44; texts give only input_ids")
    failed = [FailedPlan(first, refusal), FailedPlan(second, InternalError("its worker ended"))]
    with pytest.raises(PreconditionError) as caught:
        await planner.plan(MODEL, failed=failed)
    assert caught.value.reason == "load_failed"
    assert "torch-cuda: the model takes 44" in caught.value.message
    assert "cpu: its worker ended" in caught.value.message


async def test_a_card_that_is_full_gives_place_to_the_processor(
    planner: LoadPlanner, memory: MemoryBudget, builds: Builds
) -> None:
    memory.reserve("acme/large", CARD, CARD.memory_bytes)
    plan = await planner.plan(MODEL)
    assert plan.backend == "cpu"
    assert "not torch-cuda cuda:0 with other fp32, which needs 1.2 MB of memory and 0.0 MB are free" in plan.reason
    assert builds.requests == []


async def test_one_variant_is_run_as_it_is(planner: LoadPlanner, registry: Registry) -> None:
    (variant,) = registry.model(MODEL.model).variants
    plan = await planner.plan(ResolvedName(MODEL.model, variant.digest))
    assert (plan.variant_digest, plan.backend) == (variant.digest, "cpu")
    assert plan.model == f"{MODEL.model}@{variant.digest[:12]}"
    with pytest.raises(NotFoundError, match="no variant"):
        await planner.plan(ResolvedName(MODEL.model, "f" * 64))


async def test_measurements_that_cannot_be_read_stop_no_loading(
    tmp_path: Path, registry: Registry, memory: MemoryBudget, builds: Builds
) -> None:
    settings = Settings(home=str(tmp_path))
    # A stand-in, which the types do not know.
    planner = LoadPlanner(settings, registry, Machine(), AwayProfiles(), memory, None, builds.run)  # type: ignore[arg-type]
    assert (await planner.plan(MODEL)).backend == "torch-cuda"


async def test_a_cache_that_cannot_be_made_stops_no_loading(planner: LoadPlanner, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    plan = await planner.plan(MODEL)
    frame = load_frame(plan, Workers(), [plan.device])
    assert plan.cache_folder is None
    assert frame.load is not None
    assert frame.load.cache_folder == "", "workers take it for none"


def _elsewhere(entry: ModelEntry, *, shared: Collection[str]) -> ModelEntry:
    """A model of which nothing is here, and of which a shared store has some variants."""
    variants = (replace(each, is_local=False, is_obtainable=each.digest in shared) for each in entry.variants)
    return replace(entry, variants=tuple(variants))


async def test_what_another_server_made_is_brought_instead_of_what_it_was_made_of(
    planner: LoadPlanner, registry: Registry, memory: MemoryBudget
) -> None:
    plan = await planner.plan(MODEL)
    assert plan.memory is not None
    plan.memory.release()
    entry = registry.model(MODEL.model)
    source, made = entry.variants
    assert made.digest == plan.variant_digest
    both = (source.digest, made.digest)
    selector = planner.selector
    assert await selector.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints()) == made.digest
    assert await selector.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints(backend="cpu")) == ""
    assert await selector.variant_to_download(_elsewhere(entry, shared=[source.digest]), LoadConstraints()) == ""
    assert (
        await selector.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints(variant=source.digest))
        == source.digest
    )
    assert await selector.variant_to_download(entry, LoadConstraints()) == "", "something is here"
