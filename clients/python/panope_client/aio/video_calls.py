"""Calls that make videos, and say what is in them."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

import math
from typing import Unpack

from panope.v1.classify_service_pb2 import ClassifyVideoResponse
from panope.v1.video_service_pb2 import GenerateVideoResponse, InterpolateVideoResponse
from panope_client.aio.concurrency import Stream
from panope_client.aio.connection import AsyncConnection
from panope_client.aio.streams import reading
from panope_client.arguments import Priority
from panope_client.messages.classified_video import ClassifyVideoOptions, classify_video_request
from panope_client.messages.interpolation import InterpolateVideoOptions, VideoSource, interpolation_source
from panope_client.messages.video import GenerateVideoOptions, Video, generate_video_request, video_of


class AsyncVideoCalls(AsyncConnection):
    """The calls of `AsyncClient` that make videos, and say what is in them."""

    async def classify_video(
        self,
        video: VideoSource,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[ClassifyVideoOptions],
    ) -> ClassifyVideoResponse:
        """Says which of a model's labels fit a video: what is done in it.

        Args:
            video: the file's bytes, its path, or its URL where the server fetches such.
            model: `vendor/name`, of the task `classify`, of videos.
            priority: see the class.
            timeout: see the class.
            options: see `ClassifyVideoOptions`.
        """
        request = classify_video_request(video, model, options)
        return await self._call(self._classify.ClassifyVideo, request, timeout, priority)

    async def generate_video(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[GenerateVideoOptions],
    ) -> Video:
        """Draws a video by a text. Nothing is retried.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `video-generation`.
            priority: see the class.
            timeout: seconds for all of it.
            options: see `GenerateVideoOptions`.
        """
        stream = self.stream_generate_video(prompt, model, priority=priority, timeout=timeout, **options)
        return video_of([response.video async for response in stream if response.HasField("video")])

    async def stream_generate_video(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[GenerateVideoOptions],
    ) -> Stream[GenerateVideoResponse]:
        """As `generate_video`, with each step when it is done, and then the pieces of the file.

        Leaving the loop ends the work within a step.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `video-generation`.
            priority: see the class.
            timeout: seconds for the whole stream.
            options: see `GenerateVideoOptions`.
        """
        request = generate_video_request(prompt, model, options)
        attempts = self._retries.start(timeout)
        call = self._video.GenerateVideo(request, timeout=attempts.timeout(), metadata=self._metadata_of(priority))
        with reading(call) as read:
            async for response in call:
                read.is_told = True
                yield response

    async def interpolate_video(
        self,
        video: VideoSource,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[InterpolateVideoOptions],
    ) -> Video:
        """Makes frames between those of a video. Nothing is retried.

        Args:
            video: a file's bytes or its path, or its URL of https or http.
            model: `vendor/name`, of the task `frame-interpolation`.
            priority: see the class.
            timeout: seconds for all of it.
            options: see `InterpolateVideoOptions`.
        """
        stream = self.stream_interpolate_video(video, model, priority=priority, timeout=timeout, **options)
        return video_of([response.video async for response in stream if response.HasField("video")])

    async def stream_interpolate_video(
        self,
        video: VideoSource,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[InterpolateVideoOptions],
    ) -> Stream[InterpolateVideoResponse]:
        """As `interpolate_video`, with how many frames are made, and then the pieces of the file.

        Leaving the loop ends the work within a frame.

        Args:
            video: a file's bytes or its path, or its URL of https or http.
            model: `vendor/name`, of the task `frame-interpolation`.
            priority: see the class.
            timeout: seconds for the whole stream.
            options: see `InterpolateVideoOptions`.
        """
        source = interpolation_source(video, model, options)
        attempts = self._retries.start(timeout)
        metadata = self._metadata_of(priority)
        call = self._video.InterpolateVideo(aiter(source), timeout=attempts.timeout(), metadata=metadata)
        with reading(call, source) as read:
            async for response in call:
                read.is_told = True
                yield response
