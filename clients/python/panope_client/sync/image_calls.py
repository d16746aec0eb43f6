# Generated from panope_client/aio/image_calls.py by clients/python/generate.py; do not edit.
"""Calls that look at images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Unpack

from panope.v1.classify_service_pb2 import ClassifyImagesResponse
from panope.v1.depth_service_pb2 import EstimateDepthResponse
from panope.v1.detect_service_pb2 import DetectResponse, ImageDetections
from panope.v1.image_service_pb2 import GeneratedImage, GenerateImagesResponse, UpscaleResponse
from panope.v1.ocr_service_pb2 import RecognizeResponse
from panope.v1.segment_service_pb2 import SegmentResponse
from panope_client.arguments import Priority
from panope_client.messages.embed import embeddings_of
from panope_client.messages.generated_image import (
    GenerateImagesOptions,
    checked_images,
    generate_images_request,
)
from panope_client.messages.image import (
    ClassifyImagesOptions,
    DepthOptions,
    DetectOptions,
    DocumentSource,
    EmbedImagesOptions,
    ImageSource,
    RecognizeDocumentOptions,
    RecognizeOptions,
    SegmentOptions,
    UpscaleOptions,
    classify_images_request,
    depth_request,
    detect_request,
    embed_images_request,
    recognize_document_request,
    recognize_request,
    segment_request,
    upscale_request,
)
from panope_client.messages.stream import check_stream_end, frame_result, frame_source
from panope_client.results import Embeddings
from panope_client.sync.concurrency import Frames, RpcError, Stream, failure_of
from panope_client.sync.connection import Connection
from panope_client.sync.streams import reading


class ImageCalls(Connection):
    """The calls of `Client` on models of images."""

    def classify_images(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[ClassifyImagesOptions],
    ) -> ClassifyImagesResponse:
        """Classifies images, by the model's labels or by the caller's.

        Args:
            images: files as bytes, paths or `data:` URLs; at least one, no more than the server's limit.
            model: `vendor/name`, of the task `classify`, of images.
            priority: see the class.
            timeout: see the class.
            options: see `ClassifyImagesOptions`.
        """
        request = classify_images_request(images, model, options)
        return self._call(self._classify.ClassifyImages, request, timeout, priority)

    def detect(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[DetectOptions],
    ) -> DetectResponse:
        """Finds things in images.

        Args:
            images: as of `classify_images`.
            model: `vendor/name`, of the task `detect`.
            priority: see the class.
            timeout: see the class.
            options: see `DetectOptions`.
        """
        return self._call(self._detect.Detect, detect_request(images, model, options), timeout, priority)

    def detect_stream(
        self,
        frames: Frames,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[DetectOptions],
    ) -> Stream[ImageDetections]:
        """Finds things in frames over one stream, many at a time; the results are in the order of the frames.

        Nothing is retried; the first frame that fails ends the stream. What the frames themselves raise is raised after
        the results of the frames before.

        Args:
            frames: images, read as fast as the server takes them.
            model: `vendor/name`, of the task `detect`.
            priority: see the class.
            timeout: seconds for the whole stream.
            options: see `DetectOptions`.
        """
        source = frame_source(frames, model, options)
        attempts = self._retries.start(timeout)
        call = self._detect.StreamDetect(iter(source), timeout=attempts.timeout(), metadata=self._metadata_of(priority))
        responses = 0
        try:
            for response in call:
                result = frame_result(responses, response)
                responses += 1
                yield result
        except RpcError as error:
            raise failure_of(error) from error
        finally:
            call.cancel()
        check_stream_end(responses, source)

    def embed_images(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[EmbedImagesOptions],
    ) -> Embeddings:
        """Embeds images; a model such as CLIP gives texts vectors of the same space, by `embed`.

        Args:
            images: as of `classify_images`.
            model: `vendor/name`, of the task `embed`, of images.
            priority: see the class.
            timeout: see the class.
            options: see `EmbedImagesOptions`.
        """
        request = embed_images_request(images, model, options)
        return embeddings_of(self._call(self._embed.Embed, request, timeout, priority))

    def recognize(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[RecognizeOptions],
    ) -> RecognizeResponse:
        """Reads the text in images, each of which is a page.

        Args:
            images: as of `classify_images`.
            model: `vendor/name`, of the task `ocr`.
            priority: see the class.
            timeout: see the class.
            options: see `RecognizeOptions`.
        """
        return self._call(self._ocr.Recognize, recognize_request(images, model, options), timeout, priority)

    def recognize_document(
        self,
        document: DocumentSource,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[RecognizeDocumentOptions],
    ) -> RecognizeResponse:
        """Reads the text in the pages of a PDF file.

        Args:
            document: the file as bytes, or its path.
            model: `vendor/name`, of the task `ocr`.
            priority: see the class.
            timeout: see the class.
            options: see `RecognizeDocumentOptions`.
        """
        request = recognize_document_request(document, model, options)
        return self._call(self._ocr.Recognize, request, timeout, priority)

    def segment(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[SegmentOptions],
    ) -> SegmentResponse:
        """Says which pixels of images belong to what.

        Args:
            images: as of `classify_images`.
            model: `vendor/name`, of the task `segment`.
            priority: see the class.
            timeout: see the class.
            options: see `SegmentOptions`.
        """
        return self._call(self._segment.Segment, segment_request(images, model, options), timeout, priority)

    def estimate_depth(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[DepthOptions],
    ) -> EstimateDepthResponse:
        """Says how far away each pixel of images is.

        Args:
            images: as of `classify_images`, up to 8.
            model: `vendor/name`, of the task `depth`.
            priority: see the class.
            timeout: see the class.
            options: see `DepthOptions`.
        """
        return self._call(self._depth.EstimateDepth, depth_request(images, model, options), timeout, priority)

    def upscale(
        self,
        images: Iterable[ImageSource],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[UpscaleOptions],
    ) -> UpscaleResponse:
        """Makes images larger, or cleans them at their size, as the model does.

        Args:
            images: as of `classify_images`, up to 4.
            model: `vendor/name`, of the task `super-resolution`.
            priority: see the class.
            timeout: see the class.
            options: see `UpscaleOptions`.
        """
        return self._call(self._image.Upscale, upscale_request(images, model, options), timeout, priority)

    def generate_images(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[GenerateImagesOptions],
    ) -> list[GeneratedImage]:
        """Draws images by a text, and perhaps by an image or a part of one. Nothing is retried.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `image-generation`.
            priority: see the class.
            timeout: seconds for all images.
            options: see `GenerateImagesOptions`.
        """
        stream = self.stream_generate_images(prompt, model, priority=priority, timeout=timeout, **options)
        images = [response.image for response in stream if response.HasField("image")]
        count = options.get("count")
        return checked_images(images, 1 if count is None else count)

    def stream_generate_images(
        self,
        prompt: str,
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float = math.inf,
        **options: Unpack[GenerateImagesOptions],
    ) -> Stream[GenerateImagesResponse]:
        """As `generate_images`, with each step when it is done. Leaving the loop ends the work within a step.

        Args:
            prompt: what is to be seen.
            model: `vendor/name`, of the task `image-generation`.
            priority: see the class.
            timeout: seconds for the whole stream.
            options: see `GenerateImagesOptions`.
        """
        request = generate_images_request(prompt, model, options)
        attempts = self._retries.start(timeout)
        call = self._image.GenerateImages(request, timeout=attempts.timeout(), metadata=self._metadata_of(priority))
        with reading(call) as read:
            for response in call:
                read.is_told = True
                yield response
