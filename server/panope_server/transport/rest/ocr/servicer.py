"""Serves the routes that read the text in images."""

from __future__ import annotations

import grpc
import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import ocr_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.documents import Document, holds_pdf
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.ocr import Corners, OcrInput, OcrOutput, TextLine, TextPage
from panope_server.transport.field_names import FieldNames
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.hugging_face.image_servicer import ImageRoute, ImageServicer
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.ocr.schemas import OcrBody, OcrJson, OcrParameters, TextLineJson, TextPageJson
from panope_server.transport.services import Services

_PARAMETERS = ("threshold", "words", "prompt", "question", "max_tokens")

#: What the body calls fields of the input, and those of its document.
_NAMES = FieldNames({"images": "inputs", **{name: f"parameters.{name}" for name in _PARAMETERS}}, single=True)
_OF_DOCUMENT = FieldNames(
    {"content": "inputs", **{name: f"parameters.{name}" for name in ("pages", "dpi", "text_layer")}}
)
_DOCUMENT = "document."

PDF = "application/pdf"

#: Bytes of JSON that a line becomes, about.
_BYTES_OF_LINE = 300


def _name(path: str) -> str:
    return _OF_DOCUMENT(path[len(_DOCUMENT) :]) if path.startswith(_DOCUMENT) else _NAMES(path)


def _input(file: Image, parameters: OcrParameters) -> OcrInput:
    """The input of a file, which is a document or an image; what is said of documents alone is refused of images."""
    if file.url or holds_pdf(file):
        document = Document(file, parameters.pages or "", parameters.dpi, text_layer=parameters.text_layer or False)
        return _with([], parameters, document, may_be_image=bool(file.url))
    for name in ("pages", "dpi", "text_layer"):
        if getattr(parameters, name) is not None:
            raise InvalidInputError.at(f"parameters.{name}", "{field} is for PDF files, and `inputs` holds an image")
    return _with([file], parameters)


def _with(
    images: list[Image], parameters: OcrParameters, document: Document | None = None, *, may_be_image: bool = False
) -> OcrInput:
    return OcrInput(
        images,
        threshold=parameters.threshold,
        words=parameters.words,
        document=document,
        prompt=parameters.prompt or "",
        question=parameters.question or "",
        max_tokens=parameters.max_tokens,
        may_be_image=may_be_image,
    )


_ROUTE = ImageRoute(
    task="ocr",
    body=RequestBody(OcrBody),
    parameters=OcrParameters,
    task_input=_input,
    output=OcrOutput,
    names=_name,
    also=(PDF,),
)


class OcrRestServicer(ImageServicer, pb_grpc.OcrServiceServicer):
    """Serves panope.rest.v1.OcrService."""

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_OcrServiceServicer_to_server(cls.of(services), server)

    async def Recognize(self, request: HttpBody, context: Context) -> HttpBody:
        """Reads with the model of the body."""
        return await self._recognize("", request, context, "OcrService/Recognize")

    async def RecognizeModel(self, request: ModelPathWithBody, context: Context) -> HttpBody:
        """Reads with the model of the path."""
        return await self._recognize(request.model, request.body, context, "OcrService/RecognizeModel")

    async def _recognize(self, path_model: str, request: HttpBody, context: Context, interface: str) -> HttpBody:
        answer = await self.run(_ROUTE, path_model, request, context, interface)
        size = sum(len(page.lines) for page in answer.output.images) * _BYTES_OF_LINE
        return await off_loop(size, _response, answer.model, answer.output, answer.parameters.words)


def _response(model: str, output: OcrOutput, words: bool) -> HttpBody:
    body: OcrJson = {"model": model, "pages": [_page(page, words=words) for page in output.images]}
    return json_response(body)


def _page(page: TextPage, *, words: bool) -> TextPageJson:
    made: TextPageJson = {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "text": "\n".join(line.text for line in page.lines),
        "lines": [_line(line, words=words) for line in page.lines],
    }
    if page.is_text_layer:
        made["text_layer"] = True
    if page.parsed_json:
        made["parsed"] = msgspec.json.decode(page.parsed_json)
    if page.is_truncated:
        made["truncated"] = True
    return made


def _line(line: TextLine, *, words: bool) -> TextLineJson:
    made: TextLineJson = {
        "text": line.text,
        "score": line.score,
        "corners": _points(line.corners),
        "angle": line.angle,
    }
    if words:
        made["words"] = [
            {"text": word.text, "score": word.score, "corners": _points(word.corners)} for word in line.words
        ]
    return made


def _points(corners: Corners) -> list[list[float]]:
    return [[point.x, point.y] for point in corners]
