"""Downloads that calls start: a model that is registered and not here is fetched when somebody needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from panope_backends.errors import AvailabilityError, LoadingError, NotFoundError
from panope_registry.inspect.precisions import is_quantized
from panope_registry.job_handlers.requests import DownloadRequest, enqueue_download
from panope_registry.job_handlers.variant_selection import choose_variant
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.models.types import ModelEntry, VariantEntry
from panope_registry.models.variant_digest import variants_of
from panope_registry.tables.columns import now
from panope_server.runtime.async_registry.jobs import AsyncJobs

#: When a caller that is told to come back should.
RETRY_SECONDS = 5.0
#: So long a download that failed is not asked for again by calls alone.
COOL_DOWN_SECONDS = 30.0


async def _unknown() -> int:
    return 0


class Downloads:
    """Sees to it that a model's files are here.

    Args:
        fresh_entry: what the registry knows of a model at this moment.
        jobs: where a download is asked for, and followed.
        store: the id of the store that the files are needed in; None where there is one alone.
        machine_bytes: the most memory that one model can have here; 0 when nobody knows.
    """

    def __init__(
        self,
        fresh_entry: Callable[[str], Awaitable[ModelEntry]],
        jobs: AsyncJobs,
        store: str | None = None,
        machine_bytes: Callable[[], Awaitable[int]] = _unknown,
    ) -> None:
        self._fresh_entry = fresh_entry
        self._jobs = jobs
        self._store = store
        self._machine_bytes = machine_bytes
        self._last: dict[str, int] = {}

    async def ensure(self, entry: ModelEntry, variant: str = "", precision: str = "", *, wait: bool) -> None:
        """Returns when the variant of the model, or any of them, is here.

        Args:
            entry: of the model, perhaps a moment old.
            variant: the digest of the one that is wanted; empty when any will do.
            precision: that is asked for; where it is that of quantized weights, a variant of the repo that has it.
            wait: whether to wait for a download; otherwise the caller is told how far it is.

        Raises:
            LoadingError: the download is under way.
            AvailabilityError: it failed a moment ago.
            PreconditionError: no variant fits this machine.
        """
        variant = variant or _quantized_to(entry, precision)
        if _is_here(entry, variant):
            return
        entry = await self._fresh_entry(entry.name)
        if _is_here(entry, variant) or not _can_come(entry, variant):
            return
        await self._refuse_while_cooling(entry.name)
        request = _request(entry, variant)
        chosen = choose_variant(entry, request, await self._machine_bytes())
        job = await self._jobs.enqueue(enqueue_download, request, "call", store=self._store)
        self._last[entry.name] = job.id
        if not wait:
            raise LoadingError(_told(chosen, entry.name, job), retry_after_seconds=RETRY_SECONDS)
        async for _ in self._jobs.watch(job.id):
            pass
        await self._refuse_while_cooling(entry.name)

    async def _refuse_while_cooling(self, name: str) -> None:
        """Refuses when the last download failed a moment ago, so that calls do not ask for it again and again."""
        job = await self._last_download(name)
        if job is None or job.finished_at is None or job.status is JobStatus.SUCCEEDED:
            return
        left = COOL_DOWN_SECONDS - (now() - job.finished_at).total_seconds()
        if left > 0:
            why = job.error_message or "it was cancelled"
            raise AvailabilityError(
                f"model `{name}` could not be downloaded: {why}", reason="download_failed", retry_after_seconds=left
            )

    async def _last_download(self, name: str) -> JobEntry | None:
        """The job that a call asked for last; None when there was none, or it is forgotten."""
        last = self._last.get(name)
        if last is None:
            return None
        try:
            return await self._jobs.get(last)
        except NotFoundError:
            return None


def _is_here(entry: ModelEntry, digest: str) -> bool:
    """Of a model without variants, and a variant that is none of the model's, loading tells more."""
    wanted = variants_of(entry, digest)
    return not wanted or any(variant.is_local for variant in wanted)


def _quantized_to(entry: ModelEntry, precision: str) -> str:
    """The digest of a variant with such weights, one that is here before others; empty when none can be had."""
    if not is_quantized(precision):
        return ""
    known = (variant for variant in entry.variants if variant.precision == precision)
    offered = [variant for variant in known if variant.is_local or _comes(entry, variant)]
    return min(offered, key=lambda variant: (not variant.is_local, variant.digest)).digest if offered else ""


def _can_come(entry: ModelEntry, digest: str) -> bool:
    return any(_comes(entry, variant) for variant in variants_of(entry, digest))


def _comes(entry: ModelEntry, variant: VariantEntry) -> bool:
    """A hub has its models; what another machine made, or has from a folder, comes when that shares it."""
    return variant.is_obtainable or (entry.source == "hub" and variant.derived_from is None)


def _request(entry: ModelEntry, digest: str) -> DownloadRequest:
    """What brings the variant; without a digest the likeliest of the repo."""
    revision = entry.ref or entry.commit
    wanted = next((variant for variant in entry.variants if variant.digest == digest), None)
    if wanted is None:
        return DownloadRequest(entry.name, revision)
    if wanted.derived_from is not None:
        return DownloadRequest(entry.name, revision, variant=digest)
    return DownloadRequest(entry.name, revision, wanted.format, wanted.precision)


def _told(variant: VariantEntry, name: str, job: JobEntry) -> str:
    if job.status is not JobStatus.RUNNING:
        why = f": {job.error_message}" if job.error_message else ""
        return f"model `{name}` is not here yet; its download is waiting to begin{why}"
    missing = variant.missing_bytes
    if job.progress.unit == "bytes":  # what has come since it began may be recorded already
        missing = job.progress.total - job.progress.done
    done = variant.size_bytes - missing
    percent = min(99, 100 * done // max(1, variant.size_bytes))
    return f"model `{name}` is being downloaded: {percent} % of {variant.size_bytes / 1e6:,.1f} MB is here"
