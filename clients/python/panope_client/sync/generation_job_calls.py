# Generated from panope_client/aio/generation_job_calls.py by clients/python/generate.py; do not edit.
"""Calls that generate images and videos by jobs, whose files are fetched later."""

from __future__ import annotations

import math
from typing import Unpack

from panope.v1 import generation_job_service_pb2 as pb
from panope.v1.job_service_pb2 import Job
from panope_client.arguments import Priority, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.generated_image import GenerateImagesOptions, generate_images_request
from panope_client.messages.interpolation import InterpolateVideoOptions, VideoSource, interpolation_job_source
from panope_client.messages.video import GenerateVideoOptions, generate_video_request
from panope_client.sync.concurrency import RpcError, Stream, failure_of
from panope_client.sync.connection import Connection
from panope_client.sync.streams import reading


def _metadata_of(idempotency_key: str) -> tuple[tuple[str, str], ...]:
    if not (idempotency_key.isascii() and idempotency_key.isprintable()):
        raise InvalidArgumentError("`idempotency_key` must be printable ASCII", field="idempotency_key")
    return (("idempotency-key", idempotency_key),) if idempotency_key else ()


class GenerationJobCalls(Connection):
    """The calls of `Client` that generate by jobs; `wait_job` and `cancel_job` take such jobs too."""

    def submit_images(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        idempotency_key: str = "",
        timeout: float | None = None,
        **options: Unpack[GenerateImagesOptions],
    ) -> Job:
        """Asks for what `generate_images` gives, and returns the job that will make it.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `image-generation`.
            priority: see the class; it is the job's.
            idempotency_key: your name for this request, which makes one job however often it is sent; empty for none.
            timeout: see the class.
            options: see `GenerateImagesOptions`.
        """
        request = pb.SubmitImagesRequest(request=generate_images_request(prompt, model, options))
        own = _metadata_of(idempotency_key)
        response = self._call(self._generation_jobs.SubmitImages, request, timeout, priority, own)
        return response.job

    def submit_video(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        idempotency_key: str = "",
        timeout: float | None = None,
        **options: Unpack[GenerateVideoOptions],
    ) -> Job:
        """Asks for what `generate_video` gives, and returns the job that will make it.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `video-generation`.
            priority: see the class; it is the job's.
            idempotency_key: see `submit_images`.
            timeout: see the class.
            options: see `GenerateVideoOptions`.
        """
        request = pb.SubmitVideoRequest(request=generate_video_request(prompt, model, options))
        own = _metadata_of(idempotency_key)
        response = self._call(self._generation_jobs.SubmitVideo, request, timeout, priority, own)
        return response.job

    def submit_interpolation(
        self,
        video: VideoSource,
        model: str,
        *,
        priority: Priority | None = None,
        idempotency_key: str = "",
        timeout: float = math.inf,
        **options: Unpack[InterpolateVideoOptions],
    ) -> Job:
        """Asks for what `interpolate_video` gives, and returns the job that will make it. Nothing is retried.

        Args:
            video: a file's bytes or its path, or its URL of https or http.
            model: `vendor/name`, of the task `frame-interpolation`.
            priority: see the class; it is the job's.
            idempotency_key: see `submit_images`.
            timeout: seconds for all of it.
            options: see `InterpolateVideoOptions`.
        """
        source = interpolation_job_source(video, model, options)
        metadata = (*self._metadata_of(priority), *_metadata_of(idempotency_key))
        seconds = self._retries.start(timeout).timeout()
        try:
            response = self._generation_jobs.SubmitInterpolation(iter(source), timeout=seconds, metadata=metadata)
        except RpcError as error:
            source.raise_failure()
            raise failure_of(error) from error
        source.raise_failure()
        return response.job

    def read_job_file(
        self, job_id: int, name: str, *, offset: int = 0, limit: int = 0, timeout: float = math.inf
    ) -> bytes:
        """Returns a file that a job has made, or a part of it. Nothing is retried.

        Args:
            job_id: of the job.
            name: of the file, as the job's `files` tell it.
            offset: of the first byte.
            limit: the most bytes; 0 for all that follow.
            timeout: seconds for all of it.
        """
        content = bytearray()
        for piece in self.stream_job_file(job_id, name, offset=offset, limit=limit, timeout=timeout):
            content += piece
        return bytes(content)

    def stream_job_file(
        self, job_id: int, name: str, *, offset: int = 0, limit: int = 0, timeout: float = math.inf
    ) -> Stream[bytes]:
        """As `read_job_file`, piece by piece, of at most 256 KiB."""
        request = request_of(pb.ReadJobFileRequest, id=job_id, name=name, offset=offset, limit=limit)
        attempts = self._retries.start(timeout)
        call = self._generation_jobs.ReadJobFile(request, timeout=attempts.timeout(), metadata=self._metadata_of(None))
        with reading(call) as read:
            for response in call:
                read.is_told = True
                yield response.content

    def delete_job_files(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Removes the files of a job that has ended, before they expire."""
        request = request_of(pb.DeleteJobFilesRequest, id=job_id)
        return (self._call(self._generation_jobs.DeleteJobFiles, request, timeout)).job
