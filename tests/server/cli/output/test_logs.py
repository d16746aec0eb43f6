"""What a command's own process logs goes to a file, and never between the lines for people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import structlog
from panope_server.cli.output.logs import log_to_file
from panope_server.config import Settings

log_to_file(Settings(home=sys.argv[1]))
log = structlog.get_logger("panope.models")
log.info("model_state", model="acme/tiny")
log.error("load_failed", model="acme/tiny")
print("candidate 1")
"""


def test_warnings_and_errors_go_to_the_log_of_commands_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("candidate 1\n", "")
    lines = [json.loads(line) for line in (tmp_path / "logs/commands.log").read_text().splitlines()]
    assert [(line["event"], line["model"]) for line in lines] == [("load_failed", "acme/tiny")]
