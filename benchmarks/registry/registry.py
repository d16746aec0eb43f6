"""The registry: listing a thousand models, downloads, hashing, imports, jobs.

    python -m benchmarks.registry.registry [--models 1000] [--calls 200] [--rounds 5] [--mib 200]
                                           [--out benchmarks/results]

Lists are asked for in this process, and from a real server over gRPC and through Envoy, on SQLite and on PostgreSQL.
What has something to be compared with runs beside it in the same round, in turns, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.registry import downloads, jobs
from benchmarks.registry.hub_process import hub_of_models
from benchmarks.registry.model_repos import VENDORS, name_of
from benchmarks.support.served import Served
from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc
from panope_registry.jobs import Jobs
from panope_registry.registry import ModelFilter, Registry
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store, VerifyPolicy
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.migrate import migrate

AIM_P99_MS = 20.0
PAGE = 100
CLAIMED = 1000

Call = Callable[[], object]
console = Console(stderr=True)


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        rate: of `unit`; the median over the rounds.
        ratio: to what it is compared with, within a round.
        aim: what the p99 or the ratio should be.
    """

    case: str
    p50_ms: float | None = None
    p99_ms: float | None = None
    rate: float | None = None
    unit: str = ""
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None


def timed(case: str, calls: Iterator[Call], count: int) -> Row:
    """Times each of so many calls, after a few that warm up."""
    for call in itertools.islice(calls, 10):
        call()
    taken = []
    for call in itertools.islice(calls, count):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1e3)
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(0.99 * len(taken)))]
    return Row(case, statistics.median(taken), p99, aim=f"p99 ≤ {AIM_P99_MS:.0f} ms", met=p99 <= AIM_P99_MS)


def lists(database: str, url: str, home: Path, options: argparse.Namespace) -> Iterator[Row]:
    """Registers the models, then asks for them in every way."""
    session = RegistrySession.open(url, home)
    registry = session.registry
    with hub_of_models(options.models) as endpoint:
        source = HubSource(endpoint)
        names = iter([name_of(number) for number in range(options.models)])
        sync = timed(f"sync of a repo, {database}", (_sync(registry, name, source) for name in names), options.models)
        source.close()
    yield Row(sync.case, sync.p50_ms, sync.p99_ms)
    console.print(f"{database}: registered")
    yield from _rows(f"in the process, {database}", _in_process(registry), options.calls)
    session.close()
    with Served(home, "--set", f"database_url={url}", demo=False) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            yield from _rows(f"gRPC, {database}", _over_grpc(channel), options.calls)
        edge = http.client.HTTPConnection("127.0.0.1", server.http_port)
        yield from _rows(f"REST, {database}", _over_rest(edge), options.calls)
        edge.close()


def _sync(registry: Registry, name: str, source: HubSource) -> Call:
    return lambda: registry.register(name, source=source)


def _rows(way: str, cases: dict[str, Iterator[Call]], count: int) -> Iterator[Row]:
    for case, calls in cases.items():
        yield timed(f"{case}, {way}", calls, count)
    console.print(f"{way}: done")


def _vendors() -> Iterator[str]:
    return itertools.cycle([f"vendor{number:02}/" for number in range(VENDORS)])


def _in_process(registry: Registry) -> dict[str, Iterator[Call]]:
    def ask(after: str = "", **only: str) -> Call:
        # Fields by their names, which the types do not know.
        return lambda: registry.models(ModelFilter(**only), after=after, limit=PAGE)  # type: ignore[arg-type]

    return {
        f"{PAGE} models from anywhere": (ask(after) for after in _vendors()),
        "all of a vendor": (ask(prefix=prefix) for prefix in _vendors()),
        "those of a task": (ask(task=task) for task in itertools.cycle(("embed", "rerank", "transcribe"))),
        "those with a format": (ask(format=format_) for format_ in itertools.cycle(("safetensors", "gguf"))),
        "one model": (partial(registry.model, name_of(number)) for number in itertools.count()),
    }


def _over_grpc(channel: grpc.Channel) -> dict[str, Iterator[Call]]:
    stub = pb_grpc.RegistryServiceStub(channel)
    tokens = [""]
    while token := stub.ListModels(pb.ListModelsRequest(page_size=PAGE, page_token=tokens[-1])).next_page_token:
        tokens.append(token)

    def ask(**filters: object) -> Call:
        request = pb.ListModelsRequest(page_size=PAGE, **filters)  # type: ignore[arg-type]  # fields by their names
        return lambda: stub.ListModels(request)

    return {
        f"{PAGE} models from anywhere": (ask(page_token=token) for token in itertools.cycle(tokens)),
        "all of a vendor": (ask(name_prefix=prefix) for prefix in _vendors()),
        "those of a task": (ask(task=task) for task in itertools.cycle(("embed", "rerank", "transcribe"))),
    }


def _over_rest(edge: http.client.HTTPConnection) -> dict[str, Iterator[Call]]:
    def ask(query: str) -> Call:
        def call() -> None:
            edge.request("GET", f"/v1/models?limit={PAGE}&{query}")
            answer = edge.getresponse()
            assert answer.status == 200, answer.read()
            assert json.loads(answer.read())["data"] or "task" in query

        return call

    return {
        f"{PAGE} models from anywhere": (ask(f"after={after}") for after in _vendors()),
        "all of a vendor": (ask(f"prefix={prefix}") for prefix in _vendors()),
        "those of a task": (ask(f"task={task}") for task in itertools.cycle(("embed", "rerank", "transcribe"))),
    }


def transfers(options: argparse.Namespace) -> Iterator[Row]:
    """Downloads against the plain client's; it neither hashes nor syncs."""
    for row in downloads.rows_of(downloads.measure(options.rounds, options.mib), options.mib):
        if "ratio" in row:
            yield Row(
                f"download, {row['case']}",
                rate=row["panope_mb_per_second"],
                unit="MB/s",
                ratio=row["ratio"],
                aim="≥ 0.9 of the plain client",
                met=row["ratio"] >= 0.9,
            )


def hashing(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Verifying a stored file against hashlib alone, and importing one, which copies, hashes and syncs it."""
    model = folder / "model"
    model.mkdir()
    weights = _weights(options.mib << 20)
    (model / "model.safetensors").write_bytes(weights)
    (model / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    size = len(weights)
    verified: list[float] = []
    plain: list[float] = []
    imported: list[float] = []
    for number in range(options.rounds):
        home = folder / f"home{number}"
        session = RegistrySession.open(f"sqlite:///{folder / f'{number}.sqlite3'}", home)
        registry = session.registry
        imported.append(_seconds(lambda: registry.import_folder(model, "bench/import")))  # noqa: B023 - called at once
        (variant,) = registry.model("bench/import").variants
        sha256 = next(file.sha256 for file in variant.files if file.path.endswith(".safetensors"))
        store = Store(home / "store")
        pair = [
            # Each is called in its own round, which the types do not know.
            (verified, lambda: store.verify(sha256, size, "", VerifyPolicy.ALWAYS)),  # noqa: B023
            (plain, lambda: _plain_hash(store.blob_path(sha256))),  # noqa: B023  # each is called in its own round
        ]
        for taken, call in pair if number % 2 else pair[::-1]:
            taken.append(_seconds(call))
        session.close()
        shutil.rmtree(home)
    ratio = statistics.median(theirs / ours for ours, theirs in zip(verified, plain, strict=True))
    rate = size / 1e9 / statistics.median(verified)
    yield Row("verify a stored file", rate=rate, unit="GB/s", ratio=ratio, aim="≥ 0.95 of hashlib", met=ratio >= 0.95)
    yield Row("import a folder", rate=size / 1e6 / statistics.median(imported), unit="MB/s")


def _weights(size: int) -> bytes:
    header = json.dumps({"weight": {"dtype": "F16", "shape": [size // 2], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + os.urandom(size)


def _plain_hash(file: Path) -> None:
    with file.open("rb") as stream:
        hashlib.file_digest(stream, "sha256")


def _seconds(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def claims(database: str, url: str) -> Iterator[Row]:
    """How many jobs a second two processes claim and end; see jobs.py for more."""
    engine = open_engine(url)
    migrate(engine)
    table = Jobs(Database(engine))
    rates = []
    for _ in range(3):
        ids = {table.enqueue("work", {"number": number}).id for number in range(CLAIMED)}
        rates.append(jobs.race(url, 2, ids))
    engine.dispose()
    yield Row(f"jobs claimed and ended by two processes, {database}", rate=statistics.median(rates), unit="jobs/s")


@contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """A new folder."""
    with tempfile.TemporaryDirectory(prefix=f"panope-{name}-") as folder:
        yield Path(folder)


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """Every row."""
    with folder_of("sqlite") as folder:
        yield from lists("SQLite", f"sqlite:///{folder / 'registry.sqlite3'}", folder / "home", options)
        yield from claims("SQLite", f"sqlite:///{folder / 'jobs.sqlite3'}")
    yield from transfers(options)
    with folder_of("hashing") as folder:
        yield from hashing(options, folder)
    with jobs.postgres() as url, folder_of("postgres") as folder:
        yield from lists("PostgreSQL", url, folder / "home", options)
        yield from claims("PostgreSQL", url)


def print_rows(rows: list[Row]) -> None:
    """Prints the table."""
    table = Table(title="The registry", title_justify="left", box=None, header_style="bold")
    for column in ("case", "p50 ms", "p99 ms", "rate", "", "ratio", "aim"):
        table.add_column(column, justify="left" if column in ("case", "", "aim") else "right")
    for row in rows:
        numbers = ("" if value is None else f"{value:,.2f}" for value in (row.p50_ms, row.p99_ms, row.rate))
        mark = {None: "", True: " met", False: " MISSED"}[row.met]
        table.add_row(row.case, *numbers, row.unit, "" if row.ratio is None else f"{row.ratio:.2f}", row.aim + mark)
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="The registry's speed.")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=200, help="of each kind of list")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=200, help="size of what is downloaded and hashed")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rows = list(measured(options))
    print_rows(rows)
    facts = {
        "cpu": downloads.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[2], 1),
        "python": platform.python_version(),
        "models": options.models,
        "calls": options.calls,
        "rounds": options.rounds,
        "mib": options.mib,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "rows": [asdict(row) for row in rows]}
    (options.out / "registry.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
