"""The folders of the setting `model_folders`, as the job worker takes them in."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from panope_backends.testing.models import tiny_onnx
from panope_server.app.registry_session import open_registry_session
from panope_server.config import Settings
from panope_server.job_worker.model_folders import MEMORY, import_model_folders


def test_models_are_imported_once_and_what_goes_wrong_is_logged_and_stops_nothing(tmp_path: Path) -> None:
    version = tmp_path / "acme" / "tiny" / "1"
    version.mkdir(parents=True)
    tiny_onnx(version)
    (tmp_path / "acme" / "steps").mkdir()
    (tmp_path / "acme" / "steps" / "config.pbtxt").write_text('platform: "ensemble"')
    folders = (str(tmp_path / "gone"), str(tmp_path / "acme"))
    settings = Settings(home=str(tmp_path / "home"), model_folders=folders)
    with open_registry_session(settings) as session:
        with capture_logs() as first:
            import_model_folders(settings, session.registry)
        with capture_logs() as second:
            import_model_folders(settings, session.registry)
        names = [entry.name for entry in session.registry.models()]
    told = [[(line["event"], line.get("model")) for line in lines] for lines in (first, second)]
    left = [("model_folder_unreadable", None), ("model_import_failed", "acme/steps")]
    assert told[0] == [*left, ("model_imported", "acme/tiny")]
    assert told[1] == left
    assert names == ["acme/tiny"]


def test_without_folders_nothing_is_remembered(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path / "home"))
    with open_registry_session(settings) as session:
        import_model_folders(settings, session.registry)
    assert not (tmp_path / "home" / MEMORY).exists()
