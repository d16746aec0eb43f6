"""Labels that tell what was asked."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from collections.abc import AsyncIterator

from client_doubles.calls import Calls, Context
from panope.v1 import classify_service_pb2 as pb
from panope.v1 import classify_service_pb2_grpc as pb_grpc
from panope.v1 import depth_service_pb2 as depth_pb
from panope.v1 import depth_service_pb2_grpc as depth_grpc
from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import detect_service_pb2_grpc as detect_grpc
from panope.v1 import image_service_pb2 as image_pb
from panope.v1 import image_service_pb2_grpc as image_grpc
from panope.v1 import ocr_service_pb2 as ocr_pb
from panope.v1 import ocr_service_pb2_grpc as ocr_grpc
from panope.v1 import rerank_service_pb2 as rerank_pb
from panope.v1 import rerank_service_pb2_grpc as rerank_grpc
from panope.v1 import segment_service_pb2 as segment_pb
from panope.v1 import segment_service_pb2_grpc as segment_grpc
from panope.v1.stream_error_pb2 import StreamError


class ClassifyServicer(
    Calls,
    pb_grpc.ClassifyServiceServicer,
    rerank_grpc.RerankServiceServicer,
    detect_grpc.DetectServiceServicer,
    segment_grpc.SegmentServiceServicer,
    depth_grpc.DepthServiceServicer,
    ocr_grpc.OcrServiceServicer,
    image_grpc.ImageServiceServicer,
):
    """Each text is its own label, each document scores by its place."""

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:
        await self.enter(request, context)
        labels = [pb.Classification(labels=[pb.LabelScore(label=text, score=0.5)]) for text in request.texts]
        return pb.ClassifyResponse(model=request.model, classifications=labels)

    async def ClassifyTokens(self, request: pb.ClassifyTokensRequest, context: Context) -> pb.ClassifyTokensResponse:
        await self.enter(request, context)
        texts = [pb.TextEntities(entities=[pb.TextEntity(label="PER", word=text)]) for text in request.texts]
        return pb.ClassifyTokensResponse(model=request.model, texts=texts)

    async def ClassifyZeroShot(
        self, request: pb.ClassifyZeroShotRequest, context: Context
    ) -> pb.ClassifyZeroShotResponse:
        await self.enter(request, context)
        labels = [pb.LabelScore(label=label, score=0.5) for label in request.candidate_labels]
        return pb.ClassifyZeroShotResponse(model=request.model, classifications=[pb.Classification(labels=labels)])

    async def ClassifyImages(self, request: pb.ClassifyImagesRequest, context: Context) -> pb.ClassifyImagesResponse:
        await self.enter(request, context)
        labels = [pb.LabelScore(label=label, score=0.5) for label in request.candidate_labels]
        return pb.ClassifyImagesResponse(model=request.model, classifications=[pb.Classification(labels=labels)])

    async def Detect(self, request: detect_pb.DetectRequest, context: Context) -> detect_pb.DetectResponse:
        await self.enter(request, context)
        return detect_pb.DetectResponse(
            model=request.model, images=[detect_pb.ImageDetections() for _ in request.images]
        )

    async def StreamDetect(
        self, request_iterator: AsyncIterator[detect_pb.StreamDetectRequest], context: Context
    ) -> AsyncIterator[detect_pb.StreamDetectResponse]:
        """A frame `fail` fails; others have as many pixels in a row as bytes."""
        async for item in request_iterator:
            self.requests.append(item)
            (image,) = item.request.images
            if image.content == b"fail":
                error = StreamError(code=3, message="no", reason="invalid_input", field="images[0]")
                yield detect_pb.StreamDetectResponse(id=item.id, error=error)
                continue
            found = detect_pb.ImageDetections(width=len(image.content))
            yield detect_pb.StreamDetectResponse(id=item.id, response=detect_pb.DetectResponse(images=[found]))

    async def Segment(self, request: segment_pb.SegmentRequest, context: Context) -> segment_pb.SegmentResponse:
        await self.enter(request, context)
        return segment_pb.SegmentResponse(
            model=request.model, images=[segment_pb.ImageSegments() for _ in request.images]
        )

    async def EstimateDepth(
        self, request: depth_pb.EstimateDepthRequest, context: Context
    ) -> depth_pb.EstimateDepthResponse:
        await self.enter(request, context)
        return depth_pb.EstimateDepthResponse(model=request.model, images=[depth_pb.DepthMap() for _ in request.images])

    async def Recognize(self, request: ocr_pb.RecognizeRequest, context: Context) -> ocr_pb.RecognizeResponse:
        await self.enter(request, context)
        return ocr_pb.RecognizeResponse(model=request.model, pages=[ocr_pb.TextPage() for _ in request.images])

    async def Upscale(self, request: image_pb.UpscaleRequest, context: Context) -> image_pb.UpscaleResponse:
        await self.enter(request, context)
        return image_pb.UpscaleResponse(model=request.model, images=[image_pb.UpscaledImage() for _ in request.images])

    async def Rerank(self, request: rerank_pb.RerankRequest, context: Context) -> rerank_pb.RerankResponse:
        await self.enter(request, context)
        results = [rerank_pb.RerankResult(index=index, score=-index) for index in range(len(request.documents))]
        return rerank_pb.RerankResponse(model=request.model, results=results)
