"""Both clients on generations by jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from client_doubles.generation_job_servicer import CONTENT

from panope_client import InvalidArgumentError, InvalidResponseError


async def test_images_and_videos_are_asked_for_as_jobs(client: Any, fake: Any) -> None:
    job = await client.submit_images("a fox", "acme/painter", count=2, seed=7)
    assert (job.id, job.kind) == (7, "generate_images")
    wanted = fake.requests[-1].request
    assert (wanted.model, wanted.prompt, wanted.count, wanted.seed) == ("acme/painter", "a fox", 2, 7)
    job = await client.submit_video("a fox", "acme/filmer", frames=5, format="webm", priority="low")
    assert job.kind == "generate_video"
    assert fake.requests[-1].request.frames == 5


async def test_a_video_that_gets_more_frames_by_a_job_goes_out_in_pieces(
    client: Any, fake: Any, tmp_path: Path
) -> None:
    (tmp_path / "in.mp4").write_bytes(bytes(300 << 10))
    asked = {"factor": 4, "idempotency_key": "once", "priority": "low"}
    job = await client.submit_interpolation(tmp_path / "in.mp4", "acme/rife", **asked)
    assert (job.id, job.kind) == (7, "interpolate_video")
    first, *pieces = fake.requests
    assert (first.config.model, first.config.factor) == ("acme/rife", 4)
    assert [len(piece.content) for piece in pieces] == [256 << 10, 44 << 10]
    assert fake.metadata[0].get("idempotency-key") == "once"
    await client.submit_interpolation("https://example.org/in.mp4", "acme/rife")
    assert fake.requests[-1].config.uri == "https://example.org/in.mp4"
    with pytest.raises(InvalidArgumentError, match="there is no file"):
        await client.submit_interpolation(tmp_path / "no.mp4", "acme/rife")


async def test_a_request_has_a_name_where_its_caller_gives_one(client: Any, fake: Any) -> None:
    await client.submit_images("a fox", "acme/painter", idempotency_key="once")
    await client.submit_video("a fox", "acme/filmer", idempotency_key="twice", priority="low")
    await client.submit_video("a fox", "acme/filmer")
    assert [each.get("idempotency-key") for each in fake.metadata] == ["once", "twice", None]
    with pytest.raises(InvalidArgumentError, match="printable ASCII"):
        await client.submit_video("a fox", "acme/filmer", idempotency_key="\n")


async def test_a_file_is_read_whole_or_in_part(client: Any, fake: Any) -> None:
    assert await client.read_job_file(7, "0.mp4") == CONTENT
    assert await client.read_job_file(7, "0.mp4", offset=10, limit=100) == CONTENT[10:110]
    assert (fake.requests[-1].id, fake.requests[-1].name) == (7, "0.mp4")
    with pytest.raises(InvalidResponseError, match="without an answer"):
        await client.read_job_file(7, "0.mp4", offset=len(CONTENT))


async def test_files_are_deleted(client: Any) -> None:
    assert (await client.delete_job_files(7)).id == 7
