# Generated from panope_client/aio/video_calls.py by clients/python/generate.py; do not edit.
"""Calls that make videos, and say what is in them."""

from __future__ import annotations

import math
from typing import Unpack

from panope.v1.classify_service_pb2 import ClassifyVideoResponse
from panope.v1.video_service_pb2 import GenerateVideoResponse, InterpolateVideoResponse
from panope_client.arguments import Priority
from panope_client.messages.classified_video import ClassifyVideoOptions, classify_video_request
from panope_client.messages.interpolation import InterpolateVideoOptions, VideoSource, interpolation_source
from panope_client.messages.video import GenerateVideoOptions, Video, generate_video_request, video_of
from panope_client.sync.concurrency import Stream
from panope_client.sync.connection import Connection
from panope_client.sync.streams import reading


class VideoCalls(Connection):
    """The calls of `Client` that make videos, and say what is in them."""

    def classify_video(
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
        return self._call(self._classify.ClassifyVideo, request, timeout, priority)

    def generate_video(
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
        return video_of([response.video for response in stream if response.HasField("video")])

    def stream_generate_video(
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
            for response in call:
                read.is_told = True
                yield response

    def interpolate_video(
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
        return video_of([response.video for response in stream if response.HasField("video")])

    def stream_interpolate_video(
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
        call = self._video.InterpolateVideo(iter(source), timeout=attempts.timeout(), metadata=metadata)
        with reading(call, source) as read:
            for response in call:
                read.is_told = True
                yield response
