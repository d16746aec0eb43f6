"""A hub on this machine: the routes that the real client uses, a second port for large files, faults on demand.

It shows what a hub shows and nothing more: commits and ETags in headers, LFS files by a redirect to another origin with
a signed address, listings in pages, and 401, 403 and 404 with their `X-Error-Code`.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from panope_registry.testing.hub_faults import ANSWER_FAULTS, BODY_FAULTS, Fault, Faults
from panope_registry.testing.hub_replies import Reply, failure, send
from panope_registry.testing.hub_repos import Content, HubFile, HubRepo, folder_files, on_lfs

_API = re.compile(r"/api/models/(?P<name>[^/]+/[^/]+)(?P<rest>/.*)?")
_RESOLVE = re.compile(r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True)
class LoggedRequest:
    """A request as it came; header names in lower case, `path` with its query."""

    on: str
    method: str
    path: str
    headers: Mapping[str, str]
    status: int

    @property
    def asks_for_bytes(self) -> bool:
        """Whether it is a GET for a file."""
        return self.method == "GET" and ("/resolve/" in self.path or self.on == "cdn")


@dataclass
class HubStandIn:
    """A hub that listens on two free ports of 127.0.0.1 from construction until `close`. Safe for use by threads.

    Attributes:
        token: what private and gated repos want to see; None admits nobody to them.
        page_size: of tree listings.
        requests: every request so far, in the order in which they were answered.
    """

    token: str | None = None
    page_size: int = 1000
    requests: list[LoggedRequest] = field(default_factory=list)
    _repos: dict[str, HubRepo] = field(default_factory=dict)
    _large: dict[str, HubFile] = field(default_factory=dict)
    _faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._hub = _serve(self, "hub")
        self._cdn = _serve(self, "cdn")
        self.endpoint = f"http://127.0.0.1:{self._hub.server_port}"
        self.cdn_endpoint = f"http://127.0.0.1:{self._cdn.server_port}"

    def __enter__(self) -> HubStandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends both servers and whatever stalls."""
        self.closing.set()
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Lets the hub's own port speak TLS from now on; the other one does not."""
        self._hub.socket = context.wrap_socket(self._hub.socket, server_side=True)

    def add(
        self,
        name: str,
        files: Path | Mapping[str, Content],
        *,
        branch: str = "main",
        gated: bool = False,
        private: bool = False,
        is_lfs: Callable[[str, int], bool] = on_lfs,
        listed: list[dict[str, Any]] | None = None,
        **info: Any,
    ) -> str:
        """Adds a commit, to a repo that is made if it is new, and returns its name.

        Args:
            name: `vendor/name`.
            files: a folder, or path -> content.
            branch: that moves to the commit.
            gated: whether its files want the token.
            private: whether all of it wants the token.
            is_lfs: by path and size, whether a file is kept outside of git.
            listed: entries that its tree shows beside the files.
            info: more of its description: `pipeline_tag`, `library_name`, `tags`, `cardData` …
        """
        repo = self._repos.setdefault(name, HubRepo(name))
        repo.gated, repo.private = gated, private
        repo.info |= info
        repo.listed = listed or []
        commit = repo.commit(folder_files(files) if isinstance(files, Path) else files, branch, is_lfs)
        self._large |= {file.sha256: file for file in repo.commits[commit].values() if file.sha256}
        return commit

    def remove(self, name: str) -> None:
        """Takes a repo away."""
        del self._repos[name]

    def fault(
        self, name: str, *, times: int | None = 1, on: str = "", match: str = "", method: str = "", **options: Any
    ) -> None:
        """Makes requests go wrong; the names are in `panope_registry.testing.hub_faults`.

        Args:
            name: of the fault.
            times: how often; None for always.
            on: `hub` or `cdn`; empty for both.
            match: a part of the path of the requests that it meets.
            method: of those requests; empty for all.
            options: the fault's own.
        """
        self._faults.add(Fault(name, options, times, on, match, method))

    def clear_faults(self) -> None:
        """Ends all faults."""
        self._faults.clear()

    def gets(self, path: str = "") -> list[LoggedRequest]:
        """Returns the GETs for bytes of files whose address holds `path`, redirects not counted."""
        return [
            request
            for request in self.requests
            if request.asks_for_bytes and path in unquote(request.path) and request.status in (200, 206)
        ]

    def answer(self, handler: BaseHTTPRequestHandler, on: str) -> None:
        """Answers one request."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        length = int(headers.get("content-length", 0))
        body = handler.rfile.read(length)
        asked = (on, handler.command, unquote(handler.path))
        met = self._faults.meeting(ANSWER_FAULTS, *asked)
        if "status" in met:
            options = met["status"]
            reply = failure(options["code"], options.get("error_code", ""), str(options.get("retry_after", "")))
        elif "redirect" in met:
            target = met["redirect"]["location"]
            reply = Reply(302, {"location": handler.path if target == "self" else target})
        else:
            reply = self._cdn_reply(handler.path) if on == "cdn" else self._hub_reply(handler.path, headers, body)
        if isinstance(reply.body, HubFile) and handler.command == "GET":
            met |= self._faults.meeting(BODY_FAULTS, *asked)
        # Before the body: whoever has read it finds its request in the log.
        reply = reply.ranged(headers.get("range", ""), met)
        self.requests.append(LoggedRequest(on, handler.command, handler.path, headers, reply.status))
        if "then" in met:
            met["then"]["action"]()
        send(handler, reply, met, self.closing)

    def _hub_reply(self, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        parts = urlsplit(target)
        admitted = self.token is not None and headers.get("authorization") == f"Bearer {self.token}"
        if match := _API.fullmatch(parts.path):
            repo = self._repos.get(unquote(match["name"]))
            if repo is None or (repo.private and not admitted):
                return failure(404, "RepoNotFound")
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            return self._api(repo, match["rest"] or "", query, body, admitted)
        if match := _RESOLVE.fullmatch(parts.path):
            repo = self._repos.get(unquote(match["name"]))
            if repo is None or (repo.private and not admitted):
                return failure(404, "RepoNotFound")
            if repo.gated and not admitted:
                return failure(403, "GatedRepo")
            return self._resolve(repo, unquote(match["revision"]), unquote(match["path"]))
        return failure(404, "")

    def _api(self, repo: HubRepo, rest: str, query: Mapping[str, str], body: bytes, admitted: bool) -> Reply:
        _, route, revision, *_ = (*rest.split("/", 2), "", "")
        if route == "auth-check":
            return failure(403, "GatedRepo") if repo.gated and not admitted else Reply.document({})
        if route == "refs":
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": at} for name, at in repo.refs.items()
            ]
            return Reply.document({"branches": branches, "tags": [], "converts": []})
        commit = repo.find(unquote(revision) or "main")
        if commit is None:
            return failure(404, "RevisionNotFound")
        files = repo.commits[commit]
        if route in ("", "revision"):
            siblings = [file.sibling() if "blobs" in query else {"rfilename": file.path} for file in files.values()]
            gated = "auto" if repo.gated else False
            description = {"id": repo.name, "sha": commit, "private": repo.private, "gated": gated, "tags": []}
            return Reply.document(description | {"siblings": siblings} | repo.info)
        if route == "paths-info":
            asked = parse_qs(body.decode()).get("paths", [])
            return Reply.document([files[path].entry() for path in asked if path in files])
        if route == "tree":
            return self._tree(repo, commit, int(query.get("cursor", 0)))
        return failure(404, "")

    def _tree(self, repo: HubRepo, commit: str, start: int) -> Reply:
        entries = [*(file.entry() for file in repo.commits[commit].values()), *repo.listed]
        reply = Reply.document(entries[start : start + self.page_size])
        following = start + self.page_size
        if following < len(entries):
            url = f"{self.endpoint}/api/models/{repo.name}/tree/{commit}?recursive=true&expand=false&cursor={following}"
            reply.headers["link"] = f'<{url}>; rel="next"'
        return reply

    def _resolve(self, repo: HubRepo, revision: str, path: str) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return failure(404, "RevisionNotFound")
        file = repo.commits[commit].get(path)
        if file is None:
            reply = failure(404, "EntryNotFound")
            reply.headers["x-repo-commit"] = commit
            return reply
        if file.sha256 is None:
            return Reply(200, {"x-repo-commit": commit, "etag": f'"{file.etag}"'}, file)
        return Reply(
            302,
            {
                "x-repo-commit": commit,
                "etag": f'"{file.etag}"',
                "x-linked-etag": f'"{file.sha256}"',
                "x-linked-size": str(file.size),
                "location": f"{self.cdn_endpoint}/{file.sha256}?signature=for-tests&file={path}",
            },
        )

    def _cdn_reply(self, target: str) -> Reply:
        file = self._large.get(urlsplit(target).path.strip("/"))
        return failure(404, "") if file is None else Reply(200, {"etag": f'"{file.sha256}"'}, file)


def _serve(hub: HubStandIn, on: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.answer(self, on)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Says nothing: the stand-in keeps a log of its own."""

    Handler.do_HEAD = Handler.do_POST = Handler.do_GET  # type: ignore[attr-defined] # found by name
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), name=f"stand-in-{on}", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that go away in the middle, as tests do on purpose."""
