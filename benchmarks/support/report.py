"""A table for people, JSON for programs, a chart for documentation."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One case: medians over the rounds.

    Attributes:
        ratio: to the raw loop of the same round and the same texts.
        aim: what `ratio` or `added_ms` should be; None where there is no aim.
        added_ms: the p50 of one call alone, less the raw engine's.
    """

    case: str
    texts_per_second: float
    ratio: float | None = None
    p50_ms: float | None = None
    added_ms: float | None = None
    aim: str = ""
    met: bool | None = None


def machine(info: dict[str, Any]) -> dict[str, Any]:
    """The class of this machine and how the model ran on it, from the model's info."""
    name, flags = _processor()
    instance = info["instances"][0]
    return {
        "cpu": name,
        "cores": len(os.sched_getaffinity(0)),
        "amx_bf16": "amx_bf16" in flags,
        "avx512_bf16": "avx512_bf16" in flags,
        "backend": instance["backend"],
        "precision": instance["precision"],
    }


def _processor() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor(), set()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return values.get("model name", ""), set(values.get("flags", "").split())


def median_ratio(ours: Sequence[float], raw: Sequence[float]) -> float:
    """The median of the ratios of runs that followed each other, so that a drifting machine cancels out."""
    return statistics.median(a / b for a, b in zip(ours, raw, strict=True))


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Prints the rows."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in ("case", "texts/s", "to raw", "p50 ms", "added ms", "aim"):
        table.add_column(column, justify="left" if column in ("case", "aim") else "right")
    for row in rows:
        mark = {None: "", True: " met", False: " MISSED"}[row.met]
        cells = (_number(row.ratio, 2), _number(row.p50_ms, 2), _number(row.added_ms, 2))
        table.add_row(row.case, f"{row.texts_per_second:,.0f}", *cells, row.aim + mark)
    Console(width=120).print(table)


def write(folder: Path, facts: dict[str, Any], rows: Sequence[Row]) -> None:
    """Writes embeddings.json and embeddings.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "rows": [asdict(row) for row in rows]}
    (folder / "embeddings.json").write_text(json.dumps(document, indent=2) + "\n")
    _chart(folder / "embeddings.svg", facts, [row for row in rows if row.ratio is not None])


def _chart(path: Path, facts: dict[str, Any], rows: Sequence[Row]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "panope"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.42 * len(rows) + 1.2))
    ratios = [row.ratio or 0.0 for row in rows]
    bars = axes.barh([row.case for row in rows], ratios, color="#0969da")
    axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=3)
    axes.axvline(1, color="#57606a", linewidth=1, linestyle="--")
    axes.invert_yaxis()
    axes.set_xlabel("texts a second, raw engine loop = 1")
    axes.set_title(f"{facts['cpu']}, {facts['cores']} cores, {facts['backend']} {facts['precision']}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
