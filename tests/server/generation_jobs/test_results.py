"""Files of a job whose end has come while a thread still writes."""

from __future__ import annotations

from pathlib import Path

from panope_server.generation_jobs.results import ResultWriter
from panope_server.tasks.vision.video_generation import Video, VideoGenerationInput, VideoGenerationOutput

PIECE = VideoGenerationOutput(video=Video(b"piece", 64, 32, 5, 16.0, 7))


def test_what_comes_after_a_cancelled_job_has_ended_leaves_no_file(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path, VideoGenerationInput("a fox"))
    writer.close(keep=False)
    writer.put(PIECE)
    assert writer.finish() == []
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_cancelled_job_takes_what_was_begun(tmp_path: Path) -> None:
    writer = ResultWriter(tmp_path, VideoGenerationInput("a fox"))
    writer.put(PIECE)
    writer.close(keep=False)
    writer.put(PIECE)
    assert writer.finish() == []
    assert list(tmp_path.iterdir()) == []
