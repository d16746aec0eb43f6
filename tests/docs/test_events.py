"""Every event that the code tells stands in docs/operations.md, and no other; so do the metrics."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from panope_backends.errors import NotFoundError
from panope_registry.download import Downloader
from panope_registry.events import ERROR
from panope_registry.job_handlers.artifact_download import ArtifactDownload
from panope_registry.job_handlers.failures import log_failures
from panope_registry.job_handlers.repo_sync import RepoSync
from panope_registry.job_handlers.requests import DownloadRequest, SyncRequest, enqueue_download, enqueue_sync
from panope_registry.jobs import JobContext
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.testing.hub import HubStandIn
from panope_server.observability.metrics import Metrics
from panope_server.observability.series import Series

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()

LEVELS = {"debug", "info", "warning", "error"}
EMITTERS = {"emit", "_emit", "self._emit"}
#: How structlog is asked for a traceback, which the line then has as `exception`.
NO_FIELDS = {"exc_info"}

MODEL = {
    "config.json": json.dumps({"architectures": ["BertModel"], "model_type": "bert"}).encode(),
    "model.safetensors": save({"weight": np.zeros(64, np.float32)}),
}


def table_rows(heading: str) -> Iterator[tuple[list[str], str]]:
    """The names and the second cell of each row of a section's tables."""
    section = OPERATIONS.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        names = re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else []
        if names:
            yield names, line.split("|")[2]


def written_events() -> dict[str, set[str]]:
    return {
        name: {field.strip() for field in cell.split(",") if field.strip()}
        for names, cell in table_rows("Logs")
        for name in names
    }


def told_events() -> dict[str, set[str]]:
    """What the code tells by a literal name, with the facts that are told by keyword."""
    found: dict[str, set[str]] = {}
    paths = [path for folder in ("server", "registry") for path in (ROOT / folder).rglob("*.py")]
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    programs = {str(call.args[0].value) for call in calls if _keeps(call) and isinstance(call.args[0], ast.Constant)}
    for call in calls:
        if not _tells(call):
            continue
        facts = {keyword.arg for keyword in call.keywords if keyword.arg} - NO_FIELDS
        for name in _names(call.args[0], programs):
            found.setdefault(name, set()).update(facts)
    return {name: facts for name, facts in found.items() if " " not in name}


def _keeps(called: ast.Call) -> bool:
    """Whether it keeps a program running, of which is told under the program's name."""
    return bool(called.args) and ast.unparse(called.func) == "Supervisor"


def _names(name: ast.expr, programs: set[str]) -> Iterator[str]:
    """A literal name; of a program's, such as `{name}_lost`, that of each."""
    if isinstance(name, ast.Constant):
        yield str(name.value)
    elif isinstance(name, ast.JoinedStr) and len(name.values) == 2 and isinstance(name.values[1], ast.Constant):
        yield from (f"{program}{name.values[1].value}" for program in programs)


def _tells(called: ast.Call) -> bool:
    text = ast.unparse(called.func)
    owner, _, level = text.rpartition(".")
    return bool(called.args) and (text in EMITTERS or (owner in ("_log", "self._log") and level in LEVELS))


def test_every_event_is_written_down_and_every_written_event_is_told() -> None:
    assert set(written_events()) == set(told_events()) | {ERROR}


def test_every_field_of_an_event_is_written_down() -> None:
    written = written_events()
    missing = {name: facts - written.get(name, set()) for name, facts in told_events().items()}
    assert {name: facts for name, facts in missing.items() if facts} == {}


def test_jobs_tell_exactly_the_facts_that_are_written_down(tmp_path: Path) -> None:
    told: list[tuple[str, Mapping[str, object]]] = []
    with HubStandIn() as hub:
        hub.add("acme/tiny", MODEL)
        session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
        registry, jobs = session.registry, session.jobs
        source = HubSource(hub.endpoint, "hf_secret")
        downloader = Downloader(session.store, free_space_floor_bytes=0)

        def emit(name: str, facts: Mapping[str, object]) -> None:
            told.append((name, facts))

        sync = log_failures(RepoSync(registry, source, emit), emit)
        sync(JobContext(enqueue_sync(jobs, SyncRequest("acme/tiny")), jobs))
        download = log_failures(ArtifactDownload(registry, source, downloader, emit), emit)
        download(JobContext(enqueue_download(jobs, DownloadRequest("acme/tiny")), jobs))
        with pytest.raises(NotFoundError):
            sync(JobContext(enqueue_sync(jobs, SyncRequest("acme/none")), jobs))
        source.close()
        session.close()
    names = [name for name, _ in told]
    assert names == ["repo_registered", "repo_synced", "artifact_download_start", "artifact_download_finish", "error"]
    written = written_events()
    assert {name: set(facts) for name, facts in told} == {name: written[name] for name in names}
    assert "hf_secret" not in str(told)


def test_every_metric_is_written_down_with_its_labels() -> None:
    written = {
        name.removesuffix("_total"): {label.strip() for label in cell.split(",") if label.strip()}
        for names, cell in table_rows("Metrics")
        for name in names
    }
    metrics = Metrics()
    collectors = [found for found in metrics.registry._collector_to_names if hasattr(found, "_labelnames")]
    told = {found._name: set(found._labelnames) for found in collectors}
    series = [found for found in metrics.registry._collector_to_names if isinstance(found, Series)]
    told |= {found.name: set(found.label_names) for found in series}
    when_asked = (metrics.instances, metrics.loaded_models, metrics.devices)
    made_when_asked = [family for collector in when_asked for family in collector.collect()]
    assert told | {family.name: set(family._labelnames) for family in made_when_asked} == written
