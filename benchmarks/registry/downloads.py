"""Downloads: Panope against the plain client of the hub, in one run, interleaved.

    python -m benchmarks.registry.downloads [--rounds 5] [--mib 200] [--out benchmarks/results]

Both fetch the same new files over HTTP from a stand-in on this machine, so that what they do beside waiting is what
counts. Panope hashes and syncs what it writes; the client does neither. Every round does everything once, in both
orders in turn, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

os.environ["HF_HUB_DISABLE_XET"] = "1"  # the stand-in speaks HTTP
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from huggingface_hub import hf_hub_download, snapshot_download

from benchmarks.registry.hub_process import REPO, hub_of_folder
from panope_registry.download import Downloader, ExpectedBlob, Request
from panope_registry.sources.hub import HubSource
from panope_registry.store.files import hash_file
from panope_registry.store.store import Store

MIB = 1 << 20
FILES = 20
"""How many the large one is cut into for the case with several; both fetch as many at once as they do by themselves."""


class Panope:
    """Downloads into a new store each time."""

    def __init__(self, endpoint: str) -> None:
        self._source = HubSource(endpoint)

    def close(self) -> None:
        """Closes its connections."""
        self._source.close()

    def fetch(self, folder: Path, paths: list[str]) -> None:
        """The metadata, then the files."""
        revision = self._source.resolve(REPO)
        files = {file.path: file for file in revision.files}

        def request(path: str) -> Request:
            file = files[path]
            wanted = ExpectedBlob(file.sha256, file.git_sha1, file.size_bytes)
            return Request(wanted, lambda start: self._source.open(revision, path, start))

        Downloader(Store(folder)).fetch_many([request(path) for path in paths])


def client_fetch(endpoint: str, folder: Path, paths: list[str]) -> None:
    """The plain client, into a new cache."""
    if len(paths) == 1:
        hf_hub_download(REPO, paths[0], cache_dir=folder, endpoint=endpoint)
    else:
        snapshot_download(REPO, cache_dir=folder, endpoint=endpoint, allow_patterns=paths)


def make_files(folder: Path, size_mib: int) -> dict[str, list[str]]:
    """Case -> paths of files of random bytes."""
    parts = [f"part{number}.safetensors" for number in range(FILES)]
    with (folder / "whole.safetensors").open("wb") as whole:
        for path in parts:
            with (folder / path).open("wb") as part:
                for _ in range(size_mib // FILES):
                    block = os.urandom(MIB)
                    part.write(block)
                    whole.write(block)
    return {"one file": ["whole.safetensors"], f"{FILES} files": parts}


def seconds_of(fetch: Callable[[Path, list[str]], None], paths: list[str], folder: Path) -> float:
    """How long a download into a new folder takes."""
    target = folder / "target"
    begin = time.perf_counter()
    fetch(target, paths)
    took = time.perf_counter() - begin
    shutil.rmtree(target)
    os.sync()  # what one leaves to be written is not the next one's load
    return took


def measure(rounds: int, size_mib: int) -> dict[str, dict[str, list[float]]]:
    """Case -> who -> seconds by round."""
    taken: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "repo").mkdir()
        cases = make_files(folder / "repo", size_mib)
        with hub_of_folder(folder / "repo") as endpoint:
            panope = Panope(endpoint)
            fetchers: list[tuple[str, Callable[[Path, list[str]], None]]] = [
                ("panope", panope.fetch),
                ("client", lambda target, paths: client_fetch(endpoint, target, paths)),
            ]
            for number in range(rounds):
                for case, paths in cases.items():
                    for who, fetch in fetchers if number % 2 else fetchers[::-1]:
                        taken[case][who].append(seconds_of(fetch, paths, folder))
                begin = time.perf_counter()
                hash_file(folder / "repo" / "whole.safetensors")
                taken["sha256 of a file"]["panope"].append(time.perf_counter() - begin)
            panope.close()
    return taken


def rows_of(taken: dict[str, dict[str, list[float]]], size_mib: int) -> list[dict[str, Any]]:
    """Medians over the rounds, in MB/s; ratios within them."""
    size_mb = size_mib * MIB / 1e6
    rows = []
    for case, by_who in taken.items():
        rates = {who: [size_mb / seconds for seconds in times] for who, times in by_who.items()}
        row: dict[str, Any] = {"case": case}
        row |= {f"{who}_mb_per_second": round(statistics.median(found), 1) for who, found in rates.items()}
        if "client" in rates:
            pairs = zip(rates["panope"], rates["client"], strict=True)
            row["ratio"] = round(statistics.median(ours / theirs for ours, theirs in pairs), 2)
        rows.append(row)
    return rows


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Prints the table."""
    table = Table(title="Downloads, MB/s", title_justify="left", box=None, header_style="bold")
    for column in ("case", "Panope, verified", "plain client", "ratio"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for row in rows:
        cells = (row.get(key, "") for key in ("panope_mb_per_second", "client_mb_per_second", "ratio"))
        table.add_row(row["case"], *map(str, cells))
    Console().print(table)


def processor() -> str:
    """The name of this machine's."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def main() -> None:
    parser = argparse.ArgumentParser(description="Panope's downloads against the plain client's.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=200, help="size of what is downloaded in each case")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rows = rows_of(measure(options.rounds, options.mib), options.mib)
    print_rows(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    facts = {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "mib": options.mib,
        "rounds": options.rounds,
    }
    (options.out / "downloads.json").write_text(json.dumps({"facts": facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
