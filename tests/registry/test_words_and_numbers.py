"""What a caller may write: words and numbers of every method, at their edges and past, alike on both databases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from panope_backends.errors import CallerError, InvalidInputError, NotFoundError, PanopeError
from panope_backends.upstreams.description import Upstream
from panope_registry.job_handlers import requests
from panope_registry.models.routes import Route, RouteTarget
from panope_registry.models.types import ModelFilter
from panope_registry.session import RegistrySession
from panope_registry.tables.database_errors import refuse_unstorable

WORDS = {
    "a NUL": "a\0b",
    "half of a character": "a\ud800",
    "empty": "",
    "quotes": "'\"; DROP TABLE model; --%_\\",
    "another script": "модель٣",
    "long": "x" * 100_000,
    "newline": "a\nb",
}
NUMBERS = {"2^63": 1 << 63, "2^63 - 1": (1 << 63) - 1, "2^64": 1 << 64, "-1": -1, "0": 0, "1e300": 10**300}

#: What a method needs beside; names of parameters are the same everywhere.
VALUES: Mapping[str, Any] = {
    "name": "v/m",
    "target_model": "v/m",
    "upstream": Upstream("https://example.org/v1", "openai", "m", "generate"),
    "principal": "someone",
    "reason": "because",
    "expected": None,
    "variant_digest": "0" * 64,
    "dedupe_key": "key",
    "kind": "kind",
    "payload": {"word": "a\0\ud800"},
    "job_id": 1,
    "sha256": "0" * 64,
    "owner": "server",
    "seconds": 1.0,
    "source_digest": "0" * 64,
    "format": "onnx",
    "precision": "fp32",
    "engine_version": "1",
    "task": "embed",
    "digests": [],
    "route": Route((RouteTarget("v/m", weight=1.0), RouteTarget("v/other", weight=1.0))),
}

#: Methods whose arguments are files, sources or records of this program's own, tested where they are at home.
OTHERS = {
    "close",
    "open",
    "facts",
    "import_folder",
    "import_files",
    "register",
    "record_downloaded",
    "add_conversion",
    "renew",
    "release",
    "evict",
    "verify",
    "scrub",
    "add",
    "prune",
    "record",
}


class Side:
    """Everything that asks one database."""

    def __init__(self, url: str, home: Path) -> None:
        self.session = RegistrySession.open(url, home)
        self.registry, self.jobs = self.session.registry, self.session.jobs
        self.parts: list[Any] = [
            self.registry,
            self.session.aliases,
            self.jobs,
            self.session.published_files,
            self.session.retention,
            self.session.inference_log,
            self.session.profiles,
        ]

    def methods(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        for part in self.parts:
            for name, method in inspect.getmembers(part, inspect.ismethod):
                if not name.startswith("_") and name not in OTHERS:
                    yield f"{type(part).__name__}.{name}", method

    def close(self) -> None:
        self.session.close()


@pytest.fixture
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    postgres = request.getfixturevalue("postgres")
    name = postgres.take(request.getfixturevalue("postgres_template"))
    both = Side(f"sqlite:///{tmp_path / 'db'}", tmp_path / "one"), Side(postgres.url(name), tmp_path / "two")
    yield both
    for side in both:
        side.close()
    postgres.drop(name)


def test_every_method_answers_every_word_and_number_alike_on_both_databases_and_blames_the_caller(
    sides: tuple[Side, Side],
) -> None:
    here, there = ({case: _outcome(call) for case, call in _cases(side)} for side in sides)
    assert len(here) > 200
    assert here == there
    assert {case: outcome for case, outcome in here.items() if outcome.startswith("!")} == {}


def _cases(side: Side) -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, method in side.methods():
        parameters = inspect.signature(method).parameters
        arguments = {each: VALUES[each] for each, known in parameters.items() if known.default is known.empty}
        for parameter, known in parameters.items():
            kinds = str(known.annotation)
            tried: Mapping[str, Any] = {}
            if "ModelFilter" in kinds:
                fields = [(field, word) for field in ("task", "format", "prefix") for word in WORDS]
                tried = {f"{field} {word}": ModelFilter(**{field: WORDS[word]}) for field, word in fields}
            elif kinds in ("str", "str | None", "str | JobStatus"):
                tried = WORDS
            elif kinds in ("int", "int | None"):
                tried = NUMBERS
            for case, value in tried.items():
                given = arguments | {parameter: value}
                yield f"{name}({parameter}: {case})", lambda method=method, given=given: method(**given)


def _outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except CallerError as error:
        if len(error.message) > 700:
            return f"! {len(error.message)} characters of message"
        return f"{type(error).__name__} {error.reason} {error.field}"
    except Exception as error:
        return f"! {error!r}"
    return "an answer"


@pytest.mark.parametrize("word", ["a NUL", "half of a character", "long"])
def test_reasons_are_refused_by_name(session: RegistrySession, word: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        session.aliases.set("a", "v/m", expected=None, principal="me", reason=WORDS[word])
    assert caught.value.field == "reason"
    with pytest.raises(InvalidInputError) as caught:
        session.retention.pin("0" * 64, principal="me", reason=WORDS[word])
    assert caught.value.field == "reason"


def test_no_job_has_an_id_that_no_database_counts_to(session: RegistrySession) -> None:
    jobs = session.jobs
    first = jobs.enqueue("kind", {})
    for job_id in (1 << 63, 1 << 64, 10**300, -(1 << 64)):
        for ask in (jobs.get, jobs.cancel, jobs.retry):
            with pytest.raises(NotFoundError):
                ask(job_id)
    assert [job.id for job in jobs.list(after=1 << 63)] == [first.id]  # every job is older than that one


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("task_hints", requests.SyncRequest("v/m", task_hints=("embed",) * 17)),
        ("task_hints", requests.SyncRequest("v/m", task_hints=("no\0task",))),
        ("quantization_targets", requests.SyncRequest("v/m", quantization_targets=("int8",) * 2)),
        ("revision", requests.SyncRequest("v/m", revision="a\0b")),
        ("preferred_format", requests.SyncRequest("v/m", preferred_format="a\0b")),
        ("preferred_precision", requests.SyncRequest("v/m", preferred_precision="x" * 33)),
        ("model", requests.SyncRequest("v/m\0")),
        ("precision", requests.DownloadRequest("v/m", precision="a\0b")),
        ("variant", requests.DownloadRequest("v/m", variant="a\0b")),
        ("precision", requests.BuildRequest("v/m", "onnx", "x" * 33)),
        ("revision", requests.BuildRequest("v/m", "onnx", revision="x" * 201)),
    ],
)
def test_requests_are_refused_by_name_before_they_are_jobs(session: RegistrySession, field: str, request_: Any) -> None:
    jobs = session.jobs
    asks: dict[type, Callable[..., object]] = {
        requests.SyncRequest: requests.enqueue_sync,
        requests.DownloadRequest: requests.enqueue_pull,
        requests.BuildRequest: requests.enqueue_build,
    }
    with pytest.raises(InvalidInputError) as caught:
        asks[type(request_)](jobs, request_)
    assert caught.value.field == field
    assert jobs.list() == []


def test_the_last_guard_refuses_rows_and_lists_of_rows() -> None:
    for values in ({"a": "\0"}, ("\0",), [("ok", "\ud800")], [{"a": 1 << 63}], {"a": [-(1 << 63) - 1]}):
        with pytest.raises(PanopeError):
            refuse_unstorable(values)
    refuse_unstorable({"a": "é漢😀", "b": (1 << 63) - 1, "c": None, "d": b"\0", "e": True, "f": -(1 << 63)})


@pytest.mark.parametrize("part", ["what?", "a%20b", "a#b", "a&b=c", "файл", "a b", "file:x", "q?mode=memory"])
def test_the_home_may_have_any_name(tmp_path: Path, part: str) -> None:
    home = tmp_path / part
    RegistrySession.open(home / "registry.sqlite3", home).close()
    assert [path.name for path in tmp_path.iterdir()] == [part]
    assert (home / "registry.sqlite3").is_file()
