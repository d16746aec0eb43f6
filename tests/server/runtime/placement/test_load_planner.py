"""From a model's name to a plan: on a real registry, with a machine of the test's own."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlalchemy import update

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_backends.errors import AvailabilityError, InternalError, NotFoundError, PreconditionError
from panope_registry.operations.profiles import Profile, Profiles
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_registry.session import RegistrySession
from panope_registry.tables.model_tables import blob_location
from panope_server.config import Settings
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement import load_planner
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.hardware import Probe
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.memory import DeviceMemory
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan

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
def memory() -> DeviceMemory:
    return DeviceMemory()


@pytest.fixture
def profiles(session: RegistrySession) -> Profiles:
    return session.profiles


@pytest.fixture
def planner(tmp_path: Path, registry: Registry, profiles: Profiles, memory: DeviceMemory) -> LoadPlanner:
    return LoadPlanner(Settings(home=str(tmp_path)), registry, Machine(), profiles, memory)  # type: ignore[arg-type]


@pytest.fixture
def converts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands for the conversion program; what was asked of it."""
    asked: list[dict[str, Any]] = []

    async def run_program(_module: str, *, document: dict[str, Any], memory_bytes: int, **_: Any) -> dict[str, Any]:
        assert memory_bytes >= 1 << 30, "enough for libraries"
        asked.append(document)
        (Path(document["out"]) / "weights.other").write_bytes(b"converted")
        return {"ok": True}

    monkeypatch.setattr(load_planner, "run_program", run_program)
    return asked


async def test_the_first_way_is_made_ready_once_and_takes_its_memory(
    planner: LoadPlanner, memory: DeviceMemory, converts: list[dict[str, Any]]
) -> None:
    plan = await planner.plan(MODEL)
    assert (plan.backend, plan.format, plan.precision) == ("torch-cuda", "other", "")
    assert (plan.folder / "weights.other").read_bytes() == b"converted"
    assert "before cpu CPU with safetensors fp32" in plan.reason
    assert plan.memory_limit_bytes >= 1 << 30
    need = CARD.memory_bytes - (memory.free_bytes(CARD) or 0)
    assert 1_000_000 <= need <= 2_000_000  # a megabyte of weights and a fifth more
    assert (await planner.plan(MODEL)).variant_digest == plan.variant_digest
    assert len(converts) == 1


async def test_a_conversion_that_fails_gives_place_to_the_next_way(
    planner: LoadPlanner, memory: DeviceMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> dict[str, Any]:
        raise InternalError("the conversion failed; the log has the cause")

    monkeypatch.setattr(load_planner, "run_program", fails)
    plan = await planner.plan(MODEL)
    assert plan.backend == "cpu"
    assert plan.reason.endswith("torch-cuda failed: the conversion failed; the log has the cause")
    assert memory.free_bytes(CARD) == CARD.memory_bytes  # the card is left to others


@pytest.mark.usefixtures("converts")
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
    planner: LoadPlanner, memory: DeviceMemory, converts: list[dict[str, Any]]
) -> None:
    memory.take("acme/large", CARD, CARD.memory_bytes)
    plan = await planner.plan(MODEL)
    assert plan.backend == "cpu"
    assert "not torch-cuda cuda:0 with other fp32, which needs 1.2 MB of memory and 0.0 MB are free" in plan.reason
    assert converts == []


async def test_one_variant_is_run_as_it_is(planner: LoadPlanner, registry: Registry) -> None:
    (variant,) = registry.model(MODEL.model).variants
    plan = await planner.plan(ResolvedName(MODEL.model, variant.digest))
    assert (plan.variant_digest, plan.backend) == (variant.digest, "cpu")
    assert plan.model == f"{MODEL.model}@{variant.digest[:12]}"
    with pytest.raises(NotFoundError, match="no variant"):
        await planner.plan(ResolvedName(MODEL.model, "f" * 64))


@pytest.mark.usefixtures("converts")
async def test_measurements_that_cannot_be_read_stop_no_loading(
    tmp_path: Path, registry: Registry, memory: DeviceMemory
) -> None:
    made = LoadPlanner(Settings(home=str(tmp_path)), registry, Machine(), AwayProfiles(), memory)  # type: ignore[arg-type]
    assert (await made.plan(MODEL)).backend == "torch-cuda"


def _elsewhere(entry: ModelEntry, *, shared: Collection[str]) -> ModelEntry:
    """A model of which nothing is here, and of which a shared store has some variants."""
    variants = (replace(each, is_local=False, is_obtainable=each.digest in shared) for each in entry.variants)
    return replace(entry, variants=tuple(variants))


@pytest.mark.usefixtures("converts")
async def test_what_another_server_made_is_brought_instead_of_what_it_was_made_of(
    planner: LoadPlanner, registry: Registry, memory: DeviceMemory
) -> None:
    plan = await planner.plan(MODEL)
    memory.give_back(MODEL.key)
    entry = registry.model(MODEL.model)
    source, made = entry.variants
    assert made.digest == plan.variant_digest
    both = (source.digest, made.digest)
    assert await planner.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints()) == made.digest
    assert await planner.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints(backend="cpu")) == ""
    assert await planner.variant_to_download(_elsewhere(entry, shared=[source.digest]), LoadConstraints()) == ""
    assert (
        await planner.variant_to_download(_elsewhere(entry, shared=both), LoadConstraints(variant=source.digest))
        == source.digest
    )
    assert await planner.variant_to_download(entry, LoadConstraints()) == "", "something is here"


@pytest.mark.usefixtures("converts")
async def test_what_cannot_be_brought_is_made_again(
    tmp_path: Path, session: RegistrySession, profiles: Profiles, memory: DeviceMemory, converts: list[dict[str, Any]]
) -> None:
    asked: list[str] = []

    async def bring(_entry: ModelEntry, variant: VariantEntry) -> None:
        asked.append(variant.digest)
        raise AvailabilityError("the shared store does not answer")

    async def planned(registry: Registry) -> LoadPlan:
        settings = Settings(home=str(tmp_path))
        planner = LoadPlanner(settings, registry, Machine(), profiles, memory, None, bring)  # type: ignore[arg-type]
        return await planner.plan(MODEL)

    registry = session.registry
    first = await planned(registry)
    with session.database.change() as connection:
        (weights,) = [file for file in registry.model(MODEL.model).variants[1].files if file.path == "weights.other"]
        mine = (blob_location.c.store == session.store.id) & (blob_location.c.sha256 == weights.sha256)
        connection.execute(update(blob_location).where(mine).values(store="shared"))
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path, shared_store_id="shared") as sharing:
        again = await planned(sharing.registry)
    assert asked == [first.variant_digest]
    assert again.variant_digest == first.variant_digest
    assert len(converts) == 2
