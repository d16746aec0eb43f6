"""The README's table of tasks holds what there is: services, routes, commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from panope_envoy.rest_routes import descriptors

ROOT = Path(__file__).resolve().parents[2]

TABLE = (ROOT / "README.md").read_text().partition("## Tasks")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| ")]
TASKS = ROWS[2:]


def served_services() -> set[str]:
    found = FileDescriptorSet.FromString(descriptors())
    return {service.name for file in found.file if file.package == "panope.v1" for service in file.service}


def test_every_service_that_runs_models_is_in_the_table() -> None:
    told = {row[1] for row in TASKS}
    others = {"Alias", "Cache", "GenerationJob", "Job", "Key", "Registry", "Usage"}
    assert told == served_services() - {f"{name}Service" for name in others}


@pytest.mark.parametrize("row", TASKS, ids=lambda row: row[0])
def test_its_routes_and_commands_are_there(row: list[str]) -> None:
    paths = json.loads((ROOT / "server/panope_server/transport/openapi.json").read_text())["paths"]
    commands = (ROOT / "tests/surface/snapshots/commands.txt").read_text().splitlines()
    routes, told = re.findall(r"`([^`]+)`", row[2]), re.findall(r"`([^`]+)`", row[3])
    assert routes, "each task has a route"
    assert [each for each in routes if each not in paths] == []
    assert [each for each in told if each not in commands] == []
