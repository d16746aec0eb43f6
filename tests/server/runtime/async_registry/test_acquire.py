"""What callers ask of the registry: a build that no conversion makes is refused before there is a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from panope_backends.api import Conversion
from panope_backends.errors import InvalidInputError, NotFoundError, PreconditionError
from panope_backends.testing.models import tiny_gguf
from panope_registry.job_handlers.requests import BuildRequest
from panope_registry.session import RegistrySession
from panope_server.runtime.async_registry.acquire import Acquisition, Conversions

MODEL = "acme/tiny"
TO_Q8 = Conversion(("gguf",), "gguf", "q8_0", "1")
TO_Q4_K = Conversion(("gguf",), "gguf", "q4_k_m", "1", reason="`llama-quantize` is not on PATH")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[RegistrySession]:
    folder = tmp_path / "model"
    folder.mkdir()
    tiny_gguf(folder)
    with RegistrySession.open(tmp_path / "home/registry.sqlite3", tmp_path / "home") as opened:
        opened.registry.import_folder(folder, MODEL)
        yield opened


def acquisition(session: RegistrySession, *, has_worker: bool = True) -> Acquisition:
    async def conversions() -> Conversions:
        return {"gguf": (TO_Q8, TO_Q4_K)}

    return Acquisition(
        session.jobs,
        session.published_files,
        session.registry.model,
        session.store.id,
        lambda _vendor: None,
        lambda _host: None,
        conversions if has_worker else None,
    )


@pytest.mark.parametrize(
    ("request_", "kind", "field", "told"),
    [
        (BuildRequest("acme/none", "gguf"), NotFoundError, "model", "does not exist"),
        (BuildRequest(MODEL, "foo"), InvalidInputError, "format", "must be one of `safetensors`, `openvino`"),
        (BuildRequest(MODEL, "gguf", "Q8 0"), InvalidInputError, "precision", "is no name of a precision"),
        (BuildRequest(MODEL, "gguf", "int3"), PreconditionError, "precision", "it can be made gguf q8_0, gguf q4_k_m"),
        (BuildRequest(MODEL, "onnx"), PreconditionError, "format", "cannot be made onnx; it can be made gguf q8_0"),
    ],
)
async def test_a_build_that_nothing_makes_is_refused_by_field_and_becomes_no_job(
    session: RegistrySession, request_: BuildRequest, kind: type[Exception], field: str, told: str
) -> None:
    with pytest.raises(kind, match=told) as caught:
        await acquisition(session).build(request_, "ada")
    assert caught.value.field == field  # type: ignore[attr-defined]  # the fixture says what it is
    assert session.jobs.list() == []


@pytest.mark.parametrize("precision", ["q8_0", "q4_k_m", "fp16"])
async def test_a_build_that_some_worker_makes_or_the_repo_came_with_becomes_a_job(
    session: RegistrySession, precision: str
) -> None:
    job = await acquisition(session).build(BuildRequest(MODEL, "gguf", precision), "ada")
    assert (job.status, job.requested_by) == ("queued", "ada")


async def test_a_server_without_workers_leaves_the_decision_to_those_that_have_them(session: RegistrySession) -> None:
    job = await acquisition(session, has_worker=False).build(BuildRequest(MODEL, "gguf", "int3"), "ada")
    assert job.status == "queued"
