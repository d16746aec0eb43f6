"""Serves the routes of Text Generation Inference."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import text_generation_service_pb2_grpc as pb_grpc
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.generation.responses import Responder
from panope_server.transport.rest.text_generation.errors import in_its_shape
from panope_server.transport.rest.text_generation.generator import TextGenerator
from panope_server.transport.services import Services


class TextGenerationServicer(pb_grpc.TextGenerationServiceServicer):
    """Serves panope.rest.v1.TextGenerationService."""

    def __init__(self, responder: Responder, *, report_unknown: bool = False) -> None:
        self._generator = TextGenerator(responder, report_unknown=report_unknown)

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        report = services.settings.unknown_fields == "report"
        servicer = cls(Responder(services.pipeline), report_unknown=report)
        pb_grpc.add_TextGenerationServiceServicer_to_server(servicer, server)

    @in_its_shape
    async def Generate(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Continues a text, as the body asks."""
        async for message in self._generator.answer(request, context, "TextGenerationService/Generate"):
            yield message

    @in_its_shape
    async def GenerateStream(self, request: HttpBody, context: Context) -> AsyncIterator[HttpBody]:
        """Continues a text, token by token."""
        interface = "TextGenerationService/GenerateStream"
        async for message in self._generator.answer(request, context, interface, stream=True):
            yield message
