"""What /openapi.json says of a call, as a check of calls that were made."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema_rs
from rest_doubles.edge import Reply

DESCRIPTION = json.loads(files("panope_server").joinpath("transport/openapi.json").read_bytes())


def operation_of(verb: str, template: str) -> dict[str, Any]:
    """What is said of a route of the protos, such as GET /v1/models/{model=**}."""
    path = re.sub(r"\{(\w+)=[^}]*\}", r"{\1}", template)
    return dict(DESCRIPTION["paths"][path][verb.lower()])


def check_body(operation: dict[str, Any], body: object) -> None:
    """Fails when a body is not as it is described."""
    _check(operation["requestBody"]["content"]["application/json"]["schema"], body)


def check_reply(operation: dict[str, Any], reply: Reply) -> None:
    """Fails when an answer's status, kind or content is not as it is described."""
    told = operation["responses"][str(reply.status)]
    if "$ref" in told:
        told = DESCRIPTION["components"]["responses"][told["$ref"].rpartition("/")[2]]
    content = told["content"][reply.headers["content-type"].partition(";")[0]]
    if reply.headers["content-type"] == "application/json":
        _check(content["schema"], reply.json)


def _check(schema: dict[str, Any], value: object) -> None:
    jsonschema_rs.validate({**schema, "components": DESCRIPTION["components"]}, value)
