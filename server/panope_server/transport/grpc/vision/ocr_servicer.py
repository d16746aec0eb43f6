"""OcrService: translates and delegates."""

from __future__ import annotations

import grpc

from panope.v1 import media_pb2 as media_pb
from panope.v1 import ocr_service_pb2 as pb
from panope.v1 import ocr_service_pb2_grpc as pb_grpc
from panope_server.tasks.vision.documents import Document
from panope_server.tasks.vision.images import Image, image_of_uri
from panope_server.tasks.vision.ocr import Corners, OcrInput, OcrOutput, TextLine, TextPage, TextWord
from panope_server.transport.answers import renaming
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.images import images_of
from panope_server.transport.grpc.texts.calls import run
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.services import Services


class OcrServicer(pb_grpc.OcrServiceServicer):
    """Serves panope.v1.OcrService."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_OcrServiceServicer_to_server(cls(services.pipeline), server)

    async def Recognize(self, request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        """Reads the text in images."""
        task_input = OcrInput(
            images_of(request.images),
            threshold=request.threshold if request.HasField("threshold") else None,
            words=request.words,
            document=_document(request.document) if request.HasField("document") else None,
            prompt=request.prompt,
            question=request.question,
            max_tokens=request.max_tokens if request.HasField("max_tokens") else None,
        )
        source = request.document.WhichOneof("source") or "content"
        with renaming(FieldNames({"document.content": f"document.{source}"})):
            answer, model = await run(
                self._pipeline,
                context,
                request.model,
                task_input,
                OcrOutput,
                task="ocr",
                interface="OcrService/Recognize",
            )
        return pb.RecognizeResponse(model=model, pages=map(_page, answer.images))


def _document(document: pb.Document) -> Document:
    if document.WhichOneof("source") == "uri":
        file = image_of_uri(document.uri, "document.uri")
    else:
        file = Image(content=document.content)
    return Document(file, document.pages, document.dpi or None, text_layer=document.text_layer)


def _page(page: TextPage) -> pb.TextPage:
    return pb.TextPage(
        number=page.number,
        width=page.width,
        height=page.height,
        lines=map(_line, page.lines),
        is_text_layer=page.is_text_layer,
        parsed_json=page.parsed_json,
        is_truncated=page.is_truncated,
    )


def _line(line: TextLine) -> pb.TextLine:
    return pb.TextLine(
        text=line.text,
        score=line.score,
        corners=_points(line.corners),
        angle=line.angle,
        words=map(_word, line.words),
    )


def _word(word: TextWord) -> pb.TextWord:
    return pb.TextWord(text=word.text, score=word.score, corners=_points(word.corners))


def _points(corners: Corners) -> list[media_pb.Point]:
    return [media_pb.Point(x=point.x, y=point.y) for point in corners]
