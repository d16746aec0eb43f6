"""What registers, builds, keeps and serves the files of the made-up models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rest_doubles.jobs import job_entries
from rest_doubles.models import EMBEDDER, FakeModels

from panope_backends.errors import NotFoundError
from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest
from panope_registry.jobs import JobEntry
from panope_registry.jobs.kinds import QUANTIZE
from panope_registry.models.commits import PublishedFile, PublishedRevision
from panope_registry.models.published_files import ServedBlob
from panope_registry.retention.types import Removal, RemovalKind, RemovalResult
from panope_server.runtime.status import ModelView, PinView

#: Names of one segment, as aliases and models of other tools have.
WITHOUT_VENDOR = ("embedder", "embedder:latest", "files")


@dataclass
class FakeAcquisition:
    """Takes every request and answers with a job."""

    asked: list[tuple[SyncRequest | DownloadRequest | BuildRequest, str]] = field(default_factory=list)
    known: set[str] = field(default_factory=lambda: {EMBEDDER})

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        self.asked.append((request, requested_by))
        return job_entries()[1]

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        self.asked.append((request, requested_by))
        return job_entries()[2]

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        await self.files(request.model)
        self.asked.append((request, requested_by))
        return replace(job_entries()[2], kind=QUANTIZE)

    async def files(self, model: str) -> list[PublishedFile]:
        if model not in self.known:
            raise NotFoundError(f"model `{model}` does not exist", reason="model_not_found", field="model")
        return [
            PublishedFile("config.json", "config", 2, "ab" * 32, True),
            PublishedFile("x.bin", "unsafe", 9, "", False),
        ]


@dataclass
class FakeModelAdmin:
    """Updates, pins and deletes what the models hold."""

    models: FakeModels
    asked: list[tuple[str, ...]] = field(default_factory=list)
    failure: Exception | None = None

    async def update(self, model: str, *, keep_alive: float | None) -> ModelView:
        self.asked.append(("update", model, str(keep_alive)))
        return replace(await self.models.get(model), default_keep_alive_seconds=keep_alive)

    async def pin(self, model: str, variant: str = "", *, principal: str, reason: str) -> ModelView:
        self.asked.append(("pin", model, variant, principal, reason))
        view = await self.models.get(model)
        pin = PinView(principal, reason, datetime(2026, 1, 2, tzinfo=UTC))
        return replace(view, variants=tuple(replace(known, pin=pin) for known in view.variants))

    async def unpin(self, model: str, variant: str = "") -> ModelView:
        self.asked.append(("unpin", model, variant))
        return await self.models.get(model)

    async def delete(self, model: str) -> RemovalResult:
        self.asked.append(("delete", model))
        if self.failure is not None:
            raise self.failure
        await self.models.get(model)
        del self.models.views[model]
        return RemovalResult(("ab" * 32,), (Removal(RemovalKind.UNUSED, "cd" * 32, 1 << 33),))


@dataclass
class FakeFiles:
    """A store of one file, larger than any answer of gRPC may be, which each of its models has."""

    path: Path
    sha256: str
    names: tuple[str, ...] = (EMBEDDER, *WITHOUT_VENDOR)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def revision(self, name: str, wanted: str = "main") -> PublishedRevision:
        if name not in self.names:
            raise NotFoundError("there is no such model", reason="repo_not_found", field="model")
        if wanted not in ("main", "HEAD", "refs/heads/main", "c" * 40):
            raise NotFoundError("there is no such revision", reason="revision_not_found", field="revision")
        file = PublishedFile("onnx/model.onnx", "weights", self.size, self.sha256, True)
        return PublishedRevision(name, "c" * 40, datetime(2026, 1, 2, tzinfo=UTC), "", "", (file,))

    def history(self, name: str, wanted: str = "main") -> list[PublishedRevision]:
        return [self.revision(name, wanted)]

    def models(self, search: str = "", vendor: str = "") -> list[PublishedRevision]:
        found = search.lower() in EMBEDDER and vendor in ("", EMBEDDER.partition("/")[0])
        return [self.revision(EMBEDDER)] if found else []

    def blob(self, sha256: str) -> ServedBlob:
        if sha256 != self.sha256:
            raise NotFoundError("there is no such file", reason="entry_not_found")
        return ServedBlob(sha256, self.size, self.path)
