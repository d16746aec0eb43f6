"""The pages made from the code are up to date and leave nothing out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from panope_server.config import settings_of

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
API = (ROOT / "docs/api.md").read_text()
CATALOGUE = (ROOT / "docs/catalogue.md").read_text()
OPENAPI = "server/panope_server/transport/openapi.json"
DESCRIPTION = (ROOT / OPENAPI).read_text()
DECISIONS = (ROOT / "docs/decisions/README.md").read_text()


def test_the_pages_are_what_the_code_gives() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_page_that_was_edited_or_removed_is_stale(generate: ModuleType, tmp_path: Path) -> None:
    for path, text in {
        "docs/api.md": API,
        "docs/catalogue.md": CATALOGUE,
        "docs/configuration.md": CONFIGURATION + "more",
        "docs/decisions/README.md": DECISIONS,
        OPENAPI: DESCRIPTION,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert generate.stale(tmp_path) == ["docs/configuration.md"]

    (tmp_path / "docs/api.md").unlink()
    assert generate.stale(tmp_path) == ["docs/api.md", "docs/configuration.md"]


@pytest.mark.parametrize("setting", list(settings_of()), ids=lambda setting: setting.dotted)
def test_every_setting_is_told_with_its_variable_and_its_meaning(setting: object) -> None:
    row = next(line for line in CONFIGURATION.splitlines() if line.startswith(f"| `{setting.dotted}` "))

    assert f"`{setting.variable}`" in row
    assert setting.description
    assert setting.description in row


def test_every_route_is_told(generate: ModuleType) -> None:
    described = generate.api
    files = [file for file in described.describe().file if file.package.startswith("panope.")]
    found = {
        described.path_of(route)
        for file in files
        for service in file.service
        for method in service.method
        for route in described.routes(method)
    }
    assert len(found) >= 10
    plain = {f"{verb} {described.shown_path(path)}" for verb, path in described.app_routes()}
    assert len(plain) >= 10
    for route in found | plain:
        assert f"| `{route}` | " in API


def test_every_service_method_message_and_field_is_told(generate: ModuleType) -> None:
    for file in generate.api.describe().file:
        if file.package != "panope.v1":
            continue
        for element in generate.api.elements(file):
            name = element.node.name
            heading = any(f"\n{marks} {name}\n" in API for marks in ("###", "####"))
            nested = f"\n### {element.name.removeprefix('panope.v1.')}\n" in API
            assert heading or nested or f"| `{name}` | " in API or f", one of `{name}` | " in API, element.name


def test_words_say_what_a_value_may_be(generate: ModuleType) -> None:
    page = generate.configuration.page()

    assert "| `http_port` | integer, 1 to 65535 | `8000` |" in page
    assert '| `log_level` | `debug`, `info`, `warning` or `error` | `"info"` |' in page
    assert "| `limits.max_message_bytes` | integer ≥ 65536 | `16777216` (16 MiB) |" in page
    assert "| `envoy` | `true` or `false` | `true` |" in page
    assert "`PANOPE_ENVOY` | `--envoy` `--no-envoy` |" in page
