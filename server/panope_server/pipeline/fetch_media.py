"""Brings the files here that a call names by URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from panope_backends.media.data_urls import read_data_url
from panope_server.config import MediaLimits
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.media_files.fetcher import Budget, MediaFetcher
from panope_server.tasks.catalog import task_of
from panope_server.tasks.links import Link, holds_file


class ReadDataUrls:
    """The step that reads the files which URLs hold themselves, of calls that fetch the others when they run.

    Args:
        limits: of the bytes of one.
        check: refuses inputs that no model could run, now that more of them is here.
    """

    def __init__(self, limits: MediaLimits, check: Callable[[Call], None]) -> None:
        self._limits = limits
        self._check = check

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call whose URLs name files elsewhere."""
        held = [link for link in task_of(call.input).links(call.input) if holds_file(link.url)]
        for link in held:
            link.put(await _held(link, self._limits))
        if held:
            self._check(call)
        await forward(call)


class FetchMedia:
    """The step that fetches files; it stands last, where nothing but the call's own turn is waited for.

    A caller who may not call the model, or has had its limits, makes this server fetch nothing. Whoever goes away while
    files come ends their coming.

    Args:
        fetcher: fetches one.
        limits: of the bytes of one.
        max_call_bytes: of all files of a call.
        check: refuses inputs that no model could run, now that all of them is here.
    """

    def __init__(
        self, fetcher: MediaFetcher, limits: MediaLimits, max_call_bytes: int, check: Callable[[Call], None]
    ) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._max_call_bytes = max_call_bytes
        self._check = check

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call whose files are all here."""
        links = task_of(call.input).links(call.input)
        if links:
            await self._fetch(links)
            self._check(call)
        await forward(call)

    async def _fetch(self, links: Sequence[Link]) -> None:
        """Fetches every URL once, all at the same time."""
        named: dict[tuple[str, str], list[Link]] = {}
        for link in links:
            named.setdefault((link.url, link.kind), []).append(link)
        budget = Budget(self._max_call_bytes)

        async def one(of_url: Sequence[Link]) -> None:
            content = await self._content(of_url[0], budget)
            for link in of_url:
                link.put(content)

        tasks = [asyncio.ensure_future(one(of_url)) for of_url in named.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _content(self, link: Link, budget: Budget) -> bytes:
        if holds_file(link.url):
            return await _held(link, self._limits)
        return await self._fetcher.fetch(link.url, link.field, link.max_bytes(self._limits), budget)


async def _held(link: Link, limits: MediaLimits) -> bytes:
    """The file that a URL holds itself."""
    return await asyncio.to_thread(read_data_url, link.url, link.field, link.max_bytes(limits))
