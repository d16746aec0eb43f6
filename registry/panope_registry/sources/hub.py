"""The hub: Hugging Face's, a mirror of it, or another Panope.

Its two listing routes are asked directly. The official client would do as well and is what the tests compare with, but
it waits without end for a hub that stalls, follows the next page of a listing to any host with the token, and sends a
token that it finds in the user's home (docs/decisions/0401).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.names import parse_model_name
from panope_registry.sources.http import HubHttp, Resolve, addresses_of, protocol_error
from panope_registry.sources.links import new_client
from panope_registry.sources.source import HUB, MAX_FILES, RemoteFile, RemoteRevision, checked

DEFAULT_ENDPOINT = "https://huggingface.co"

MAX_ANSWER_BYTES = 64 << 20
MAX_REVISION_LENGTH = 255
MAX_BASE_MODELS = 16
MAX_TAGS = 256

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class HubStream:
    """The body of an answer; see `Stream`."""

    start: int
    total_bytes: int | None
    _answer: httpx2.Response | None

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes as they come; none when there are none at `start`."""
        if self._answer is not None:
            yield from self._answer.iter_raw()


class HubSource:
    """Repos of a hub; see `Source`. Safe for use by several threads.

    Args:
        endpoint: its address, such as `https://huggingface.co`.
        token: sent to the endpoint and to nobody else; None sends none.
        client: one that is shared, which does not follow redirects; None makes one.
        resolve_host: a host's addresses, to tell those inside this network.
    """

    kind = HUB

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        token: str | None = None,
        client: httpx2.Client | None = None,
        *,
        resolve_host: Resolve = addresses_of,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "@" in parts.netloc:
            raise InvalidInputError("the hub's endpoint is not an address such as https://HOST", field="endpoint")
        self.endpoint = endpoint.rstrip("/")
        self._client = client or new_client()
        self._owns_client = client is None
        self._http = HubHttp(self.endpoint, token, self._client, resolve_host)

    def close(self) -> None:
        """Closes the connections, unless the client is somebody else's."""
        if self._owns_client:
            self._client.close()

    def resolve(self, name: str, revision: str = "main") -> RemoteRevision:
        """Resolves with two requests, and one more for every further 1,000 files."""
        parse_model_name(name)
        if not 0 < len(revision) <= MAX_REVISION_LENGTH or not revision.isprintable():
            raise InvalidInputError("a revision is a branch, a tag or a commit", field="revision")
        info, _ = self._json(f"{self.endpoint}/api/models/{name}/revision/{quote(revision, safe='')}", name)
        if not isinstance(info, dict):
            raise protocol_error("it describes the repo wrongly")
        commit = info.get("sha")
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise protocol_error("it names no commit")
        if _COMMIT.fullmatch(revision) and revision != commit:
            raise NotFoundError("the repo has no such revision", reason="revision_not_found", field="revision")
        return RemoteRevision(
            name=name,
            commit=commit,
            ref=revision,
            files=checked(self._files(name, commit)),
            pipeline_tag=_text(info.get("pipeline_tag")),
            library_name=_text(info.get("library_name")),
            tags=_texts(info.get("tags"), MAX_TAGS),
            base_models=_base_models(info.get("cardData")),
            gated=bool(info.get("gated")),
        )

    @contextmanager
    def open(
        self, revision: RemoteRevision, path: str, start: int = 0, length: int | None = None
    ) -> Iterator[HubStream]:
        """Opens a file with one GET, and those that its redirects ask for."""
        url = f"{self.endpoint}/{revision.name}/resolve/{revision.commit}/{quote(path)}"
        headers = {}
        if start or length is not None:
            headers["range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        with self._http.get(url, headers, f"{self.endpoint}/{revision.name}") as answer:
            yield _stream(answer, start)

    def _files(self, name: str, commit: str) -> Iterator[RemoteFile]:
        url = f"{self.endpoint}/api/models/{name}/tree/{commit}?recursive=true&expand=false"
        seen, count = set(), 0
        while url:
            if url in seen or not url.startswith(f"{self.endpoint}/"):
                raise protocol_error("the pages of its listing lead nowhere")
            seen.add(url)
            page, link = self._json(url, name)
            if not isinstance(page, list):
                raise protocol_error("it lists files wrongly")
            count += len(page)
            if count > 2 * MAX_FILES:  # folders are listed too
                raise InvalidInputError(f"the repo lists more than {MAX_FILES} files", reason="broken_listing")
            yield from (_file(entry) for entry in page if not _is_folder(entry))
            following = _NEXT.search(link)
            url = str(httpx2.URL(url).join(following[1])) if following else ""

    def _json(self, url: str, name: str) -> tuple[Any, str]:
        """Returns the document, and where the next page is."""
        with self._http.get(url, {"accept": "application/json"}, f"{self.endpoint}/{name}") as answer:
            if answer.status_code != 200:
                raise protocol_error(f"it answers a question with status {answer.status_code}")
            body = bytearray()
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise protocol_error(f"it is longer than {MAX_ANSWER_BYTES >> 20} MiB")
        try:
            return json.loads(body), answer.headers.get("link", "")
        except (ValueError, RecursionError):
            raise protocol_error("it is not JSON") from None


def _stream(answer: httpx2.Response, start: int) -> HubStream:
    """Makes the stream: 206 says where it begins, 200 begins at the beginning, 416 has nothing from `start` on."""
    if answer.status_code == 200:
        size = answer.headers.get("content-length", "")
        return HubStream(0, int(size) if size.isdecimal() else None, answer)
    content_range = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    total = int(content_range[2]) if content_range and content_range[2].isdecimal() else None
    if answer.status_code == 416:
        return HubStream(start, total, None)
    if content_range is None or content_range[1] is None or int(content_range[1]) != start:
        raise protocol_error("it is another range than the one that was asked for")
    return HubStream(start, total, answer)


def _is_folder(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "directory"


def _file(entry: object) -> RemoteFile:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or type(entry.get("size")) is not int:
        raise protocol_error("it lists files wrongly")
    lfs = entry.get("lfs")
    sha256 = lfs.get("oid") if isinstance(lfs, dict) else None
    return RemoteFile(
        path=entry["path"],
        size_bytes=entry["size"],
        sha256=sha256 if isinstance(sha256, str) else None,
        git_sha1=entry["oid"] if isinstance(entry.get("oid"), str) else None,
        xet_hash=entry["xetHash"] if isinstance(entry.get("xetHash"), str) else None,
    )


def _base_models(card: object) -> tuple[str, ...]:
    named = card.get("base_model") if isinstance(card, dict) else None
    return _texts([named] if isinstance(named, str) else named, MAX_BASE_MODELS)


def _texts(value: object, limit: int) -> tuple[str, ...]:
    return tuple(text for text in map(_text, value[:limit]) if text) if isinstance(value, list) else ()


def _text(value: object) -> str:
    """Returns a short text; empty when it is something else."""
    return value[:200] if isinstance(value, str) and value.isprintable() else ""
