"""/openapi.json, from the protos' routes and comments, and from the types that the façade reads and gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from described import Element
from msgspec import inspect

from generator.api import PLAIN as TEXTS
from generator.api import REST_PACKAGE, app_routes, declarations, of_route, path_of, routes_of, shown_path
from generator.fields import ANSWERS, BODIES, PACKAGE, descriptions_of, docstring, plain
from generator.operations import BYTES, JSON, METHODS, PLAIN, READ_LATER, Operation
from generator.parameters import CACHE_CONTROL, HARDWARE, IDEMPOTENCY_KEY, KEEP_ALIVE, PATHS, PRIORITY, QUERY, WAIT
from panope_server.observability.metrics import panope_version
from panope_server.transport.error_json import ErrorJson
from panope_server.transport.errors import TABLE
from panope_server.transport.http.hub.errors import HubErrorJson
from panope_server.transport.rest.hugging_face.errors import HuggingFaceErrorJson
from panope_server.transport.rest.text_embeddings.schemas import TextEmbeddingsErrorJson
from panope_server.transport.rest.text_generation.schemas import TextGenerationErrorJson

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_VERSION = "3.1.0"
#: On the admin port alone; all else is on the HTTP port.
ADMIN_PREFIXES = ("/v1/keys", "/v1/cache")
_ADMIN_SERVERS = [
    {
        "url": "http://{host}:{port}",
        "description": "The admin port; no other has these.",
        "variables": {"host": {"default": "localhost"}, "port": {"default": "8002"}},
    }
]
EVENTS = "text/event-stream"

#: Statuses of errors that any request can be answered with, by the façade or by Envoy.
_ERRORS = (400, 403, 429, 431, 500, 503, 504)
#: The same, of requests with a body.
_ERRORS_OF_BODIES = (408, 413, 415)
#: Of these, those that Envoy alone gives, in the shape that is told for every other route, whatever the path.
_ERRORS_OF_THE_EDGE = (403, 408, 431)
#: The answers of errors, by the types of their JSON.
_RESPONSES: Mapping[type, str] = {
    ErrorJson: "Error",
    HubErrorJson: "HubError",
    HuggingFaceErrorJson: "HuggingFaceError",
    TextEmbeddingsErrorJson: "TextEmbeddingsError",
    TextGenerationErrorJson: "TextGenerationError",
}
#: Whose wrong requests are 422.
_OF_HUGGING_FACE = (HuggingFaceErrorJson, TextEmbeddingsErrorJson, TextGenerationErrorJson)
#: What a good answer says, by its status.
_GOOD = {200: "The answer.", 201: "It is made.", 202: "It is under way."}
_MISSING = 404
_GONE = 410
_CONFLICT = 409
_UNPROCESSABLE = 422


def page() -> str:
    """The description's text."""
    found = declarations()
    public = [element for element in found if element.file.package == PACKAGE]
    errors = {name: _error(kind) for kind, name in _RESPONSES.items()}
    document = {
        "openapi": _VERSION,
        "info": {
            "title": "Panope",
            "version": panope_version(),
            "description": "Inference of many models. An error has the shape `Error`; an unknown field is one.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": _paths(found),
        "components": {"schemas": _schemas(public), "responses": errors},
    }
    return json.dumps(_generable(document), indent=1, ensure_ascii=False) + "\n"


def _generable(value: Any) -> Any:
    """The value as generators of clients need it.

    Choices that differ in case alone stand there once, for code has one name for them; `true` alone is a constant;
    lists say what they hold; a pattern's end is told as JavaScript's `$`.
    """
    if isinstance(value, list):
        return [_generable(item) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {key: _generable(item) for key, item in value.items()}
    if converted.get("enum") in ([True], [False]):
        converted = {key: item for key, item in converted.items() if key != "enum"} | {"const": converted["enum"][0]}
    if isinstance(pattern := converted.get("pattern"), str):
        converted["pattern"] = re.sub(r"\\Z$", "$", pattern)
    if isinstance(choices := converted.get("enum"), list):
        converted["enum"] = [
            each for each in choices if str(each) == str(each).lower() or str(each).lower() not in choices
        ]
    return converted | ({"items": {}} if converted.get("type") == "array" and "items" not in converted else {})


def _paths(found: Sequence[Element]) -> Json:
    paths: Json = {}
    for element in found:
        if element.file.package != REST_PACKAGE:
            continue
        routes = dict.fromkeys(path_of(route) for route in routes_of(element))
        for number, route in enumerate(routes):
            verb, path = route.split(" ")
            name = f"{element.parents[0].name}.{element.node.name}"
            operation = _operation(path, METHODS[name], element.comment)
            tag = str(element.parents[0].name).removesuffix("Service")
            identity = element.node.name + (str(number + 1) if number else "")
            paths.setdefault(path, {})[verb.lower()] = {"operationId": identity, "tags": [tag], **operation}
    for verb, written in app_routes():
        path = shown_path(written)
        is_admins = path.startswith(ADMIN_PREFIXES)
        paths.setdefault(path, {})[verb.lower()] = {
            "operationId": _identity(verb, path),
            "tags": ["Admin" if is_admins else "Hub" if path.startswith("/hub/") else "Http"],
            **({"servers": _ADMIN_SERVERS} if is_admins else {}),
            **_operation(path, of_route(PLAIN, verb, written), of_route(TEXTS, verb, written)),
        }
    return paths


def _identity(verb: str, path: str) -> str:
    return verb.title() + "".join(word.title() for word in re.findall(r"[^\W_]+", path))


def _operation(path: str, operation: Operation, comment: str) -> Json:
    summary, _, more = plain(comment).partition(". ")
    heading: Json = {"summary": summary.rstrip("."), "description": plain(comment) if more else ""}
    headers = [WAIT, PRIORITY, CACHE_CONTROL, KEEP_ALIVE, HARDWARE] if operation.waits else []
    headers += [IDEMPOTENCY_KEY] if operation.makes_job else []
    parameters = [*_of_path(path), *_of_query(operation), *headers]
    return (
        {key: text for key, text in heading.items() if text}
        | ({"parameters": parameters} if parameters else {})
        | _request(operation)
        | {"responses": _responses(path, operation)}
    )


def _of_path(path: str) -> Iterator[Json]:
    for name in re.findall(r"\{(\w+)\}", path):
        kind, text = PATHS[name]
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": _schema(kind)}


def _of_query(operation: Operation) -> Iterator[Json]:
    for name, kind in operation.query.items():
        yield {"name": name, "in": "query", "required": False, "description": QUERY[name], "schema": _schema(kind)}


def _request(operation: Operation) -> Json:
    if operation.empty:
        schema: Json = {"type": "object", "additionalProperties": False}
    elif operation.body is not None:
        schema = _schema(operation.body)
        if operation.or_bodies:
            schema = {"anyOf": [schema, *map(_schema, operation.or_bodies)]}
    else:
        return {}
    return {"requestBody": {"required": True, "content": {operation.body_media: {"schema": schema}}}}


def _responses(path: str, operation: Operation) -> Json:
    has_body = operation.empty or operation.body is not None
    # An answer that is no JSON has no schema: of a stream, tools would check each event by it.
    content = {} if operation.answer is None else {"schema": _schema(operation.answer)}
    if operation.or_answers:
        content = {"schema": {"anyOf": [_schema(kind) for kind in operation.or_answers]}}
    good = {
        "description": _GOOD[operation.status],
        "content": {
            **{kind: {} for kind in operation.or_media},
            **({EVENTS: {}} if operation.events else {}),
            operation.media: content,
        },
    }
    errors = [*_ERRORS, *(_ERRORS_OF_BODIES if has_body else ())]
    errors += [_MISSING] if has_body or "{" in path else []
    errors += [_CONFLICT] if operation.changes else []
    errors += [_GONE] if operation.expires else []
    errors += [_UNPROCESSABLE] if operation.error in _OF_HUGGING_FACE else []
    responses: Json = {str(operation.status): good}
    if operation.media == BYTES or path.endswith("/raw/{place}"):
        responses["206"] = {"description": "A range of the bytes.", "content": {operation.media: content}}
        responses["304"] = {"description": "The caller has these bytes."}
        responses["416"] = {"description": "There is no such range.", "content": {"text/plain": {}}}
    for status in sorted(errors):
        responses[str(status)] = {"$ref": f"#/components/responses/{_shape(status, operation)}"}
    if operation.not_ready is not None:
        responses["503"] = {"description": "Not ready.", "content": {JSON: {"schema": _schema(operation.not_ready)}}}
    return responses


def _shape(status: int, operation: Operation) -> str:
    return _RESPONSES[ErrorJson if status in _ERRORS_OF_THE_EDGE else operation.error]


def _error(kind: type) -> Json:
    return {
        "description": "An error; its `code` is stable, its `message` is for people.",
        "headers": {
            "retry-after": {
                "description": "Seconds after which the same call can succeed.",
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
            }
        },
        "content": {JSON: {"schema": _schema(kind)}},
    }


def _types() -> list[Any]:
    operations = [*METHODS.values(), *PLAIN.values()]
    given = [
        each
        for told in operations
        for each in (told.answer, told.body, *told.or_bodies, told.not_ready, *told.or_answers)
        if each is not None
    ]
    later = [kind for kinds in READ_LATER.values() for kind in kinds]
    return [*_RESPONSES, *given, *later]


def _schema(kind: Any) -> Json:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _schemas(public: Sequence[Element]) -> Json:
    """The schema of each type, with what is said of its fields."""
    _, schemas = msgspec.json.schema_components(_types(), ref_template=_REF)
    messages = {kind.__name__: (kind, message) for kind, message in (*BODIES, *ANSWERS)}
    classes: dict[str, type] = {}
    for kind in _classes():
        if (other := classes.setdefault(kind.__name__, kind)) is not kind:
            raise TypeError(f"{kind.__module__} and {other.__module__} both call a schema `{kind.__name__}`")
    for (body, name), kinds in READ_LATER.items():
        choices = [_schema(kind) for kind in kinds]
        schemas[body.__name__]["properties"][name] = {"anyOf": choices} if len(choices) > 1 else choices[0]
    for name, schema in schemas.items():
        if name not in classes:
            continue
        kind, message = messages.get(name, (classes[name], ""))
        schema["description"] = plain(docstring(kind)[0])
        for field, description in descriptions_of(kind, schema.get("properties", {}), message, public).items():
            inner = schema["properties"][field]
            if description and "$ref" not in inner:
                schema["properties"][field] = {"description": plain(description), **inner}
    # Errors' kinds are few and known.
    schemas["ErrorFieldsJson"]["properties"]["type"] |= {"enum": sorted({kind for _, _, kind in TABLE})}
    return dict(sorted(schemas.items()))


def _classes() -> Iterator[type]:
    """The classes whose schemas are components: those that a type holds, at any depth."""
    left, seen = list(inspect.multi_type_info(_types())), set[type]()
    while left:
        kind = left.pop()
        parts = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type", "type")]
        left += [part for part in parts if isinstance(part, inspect.Type)]
        left += list(getattr(kind, "types", ()))
        cls = getattr(kind, "cls", None)
        if isinstance(cls, type) and cls not in seen:
            seen.add(cls)
            yield cls
            left += [field.type for field in getattr(kind, "fields", ())]
