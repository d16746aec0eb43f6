"""`--draw` of the commands that look at images."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app


@pytest.mark.parametrize("command", ["detect", "segment"])
def test_a_file_that_no_image_can_be_drawn_into_is_refused_before_the_model_runs(command: str, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.touch()
    told = CliRunner().invoke(app, [command, "acme/a", str(image), "--draw", "boxes", "--address", "127.0.0.1:1"])
    assert told.exit_code == 1
    assert "the name `boxes` ends in none of .png, .jpg" in " ".join(told.output.split())
