"""docs/api.md, from the protos and their comments, the REST bodies and the table of errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar
from unittest.mock import Mock

from described import Element, Route, describe, elements, routes
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from msgspec import Struct, inspect
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as StarletteRoute

from generator import markdown
from generator.fields import BODIES, PACKAGE, descriptions_of, docstring, sentence
from generator.markdown import NOTICE, anchor, paragraphs, table
from panope_backends.errors import InternalError, PanopeError
from panope_registry.models.published_files import PublishedFiles
from panope_server.config.value_words import default_words, words
from panope_server.transport.errors import STATUSES, TABLE
from panope_server.transport.http.admin import admin_app
from panope_server.transport.http.cache import cache_routes
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes
from panope_server.transport.http.job_files import job_file_routes
from panope_server.transport.http.keys import key_routes
from panope_server.transport.interfaces import GenerationJobs, Keys, ResponseCache

T = TypeVar("T")

REST_PACKAGE = "panope.rest.v1"

INTRODUCTION = """
# API

Panope speaks gRPC on port 8001 and, through Envoy, REST, gRPC and gRPC-Web on port 8000. The server tells its
services itself: gRPC reflection is on, so that `grpcurl -plaintext localhost:8001 list` works without any file. The
protos are in [protos/panope/v1](../protos/panope/v1); [clients](../clients) has the Python and the Go client.

Beside the services below there is gRPC's own health service (Check and Watch): the empty name and the name of a service
tell about the server, the name of a model about that model.
"""

ERRORS = """
## Errors

A failed call has a gRPC code and `google.rpc` details: `ErrorInfo` with a stable `reason` (domain `panope`),
`BadRequest` with the field at fault, `RetryInfo` with the time after which the same call can succeed. `ErrorInfo` has
its `reason` in capitals, as Google's rules ask for: `MODEL_NOT_FOUND`. Everywhere else the same word is in small
letters, `model_not_found`: in the `code` of its metadata, in `StreamError.reason`, in REST bodies and in the log. On
REST the body is `{"error": {"message", "type", "param", "code"}}`; `param` is the field, by its name in the body, and
`code` the reason.
"""

MORE_STATUSES = """
HTTP has more words for what a request lacks; these statuses come beside those of the table:
"""

RETRIES = """
A message that is too large is INVALID_ARGUMENT with the reason `REQUEST_TOO_LARGE`, and 413 on REST: it is never told
as an overload, for the same call can never succeed. gRPC itself ends calls with messages of more than twice the limit,
with RESOURCE_EXHAUSTED and no details; an overload always has `ErrorInfo` and `RetryInfo`. Try again what has
`RetryInfo` (`retry-after` on REST), and nothing whose answer says `x-should-retry: false`.
"""

REST = """
## REST

Bodies are JSON, sent with `content-type: application/json`. An unknown field is an error that names it. In a path a
model's name may be written `vendor/name` or `vendor%2Fname`; where a model may be named in a call, an alias may.

A call of a registered model whose files are not here starts their download and answers 503 (UNAVAILABLE) with
`model_loading`, how far it is, and the time to come back. With the header `x-panope-wait: true` (in gRPC, the metadata)
it waits instead, as long as its deadline lets it.

Calls that wait for the same model are taken by priority: the header `x-panope-priority` (in gRPC, the metadata) is
`high`, `normal` or `low`, and a key may be bound to one of the lower two, which its calls then have at most. Inside a
class callers take turns, by key, or by address where there is none. A call whose deadline is sooner than the model can
answer is refused at once (`deadline_unreachable`).

A server that keeps answers ([response cache](response-cache.md)) says `x-cache: hit`, `miss` or `bypass` with each, and
obeys `cache-control: no-store`, `no-cache` and `max-age=SECONDS`.

A call may say how long its model stays loaded when nobody uses it after that: the header `x-panope-keep-alive` (in
gRPC, the metadata) is a number of seconds or a duration such as `5m` or `1h30m`; `0` unloads the model after the call,
a negative time keeps it until others need its memory. A model that is kept for ever, by the settings or by its load,
stays whatever a call says. [Operations](operations.md#loading-and-unloading) has more.

A call may say on which backends it runs, the most wanted first: the header `x-panope-hardware` (in gRPC, the metadata)
is such as `openvino,cpu`, or has the words `cuda`, `rocm`, `apple` and `qualcomm`; bodies of `/v1/embeddings`,
`/v1/completions` and `/v1/chat/completions` may say it as `hardware`. Of an alias with several targets one that serves
there is taken. Where none does the call is refused (`hardware_unavailable`), unless the last name is `any`. Nothing is
loaded elsewhere for it: [routing](routing.md#by-hardware) tells more.

What a job does later (registering, pulling, building a variant) is answered at once with status 202 and the job.

Files of the store are served with ranges and ETag, by GET and HEAD, after they were verified. With
`HF_ENDPOINT=http://localhost:8000/hub` the hub's clients (huggingface_hub, transformers, sentence-transformers,
@huggingface/hub, transformers.js) find and pull here what this store holds; other files are not listed. Below `/hub` an
error has the hub's shape: `{"error": "…"}`, with the headers `x-error-code` and `x-error-message`.

All of this is told to tools by [`/openapi.json`](../server/panope_server/transport/openapi.json).
"""

GRPC = """
## gRPC

Package `panope.v1`.
"""

#: Statuses that no gRPC code has, or that come from the edge before any method is called.
OTHER_STATUSES: Sequence[tuple[str, str, str]] = (
    ("403", "`host_not_allowed`", "The Host header does not name this server."),
    ("404", "`unknown_path`", "There is nothing at this path."),
    ("405", "`method_not_allowed`", "The path takes other HTTP methods; the header `allow` names them."),
    ("408", "`request_timeout`", "The request was not sent in time."),
    ("410", "`job_files_expired`", "The files of a job have gone, as it said they would."),
    ("413", "`request_too_large`", "The body is larger than `limits.max_message_bytes`."),
    ("415", "`unsupported_content_type`", "The body has another content type than `application/json`, or none."),
    ("415", "`unsupported_content_encoding`", "The body is compressed."),
    (
        "422",
        "none",
        "On the routes of Text Embeddings Inference: a request field is wrong.",
    ),
    ("431", "`headers_too_large`", "The request has too many or too large headers."),
)

#: What the routes of plain HTTP are for; Envoy passes them on. Paths as the application writes them.
PLAIN: Mapping[str, str] = {
    "/health": "200 while the process answers.",
    "/ready": "200 when every model that should serve does; 503 names the others and why.",
    "/status": "Versions, ports, Envoy, the job worker, every model with its instances.",
    "/metrics": "Metrics in Prometheus's text format.",
    "/v1/metrics": "As `/metrics`.",
    "/openapi.json": "This page's REST part as OpenAPI 3.1, for tools and generators of clients.",
    "/v1/files/{sha256}": "A file by its SHA-256.",
    "/v1/jobs/{job}/files/{name}": "A file that a job has made.",
    "/v1/videos/{video}/content": "The file of a video, as OpenAI's clients fetch it.",
    "/v1/model/{repo:repo}/files/{path:path}": "A model's file by its path.",
    "GET /v1/keys": "Lists API keys by name; on the admin port alone, as all of `/v1/keys`. As KeyService.ListKeys.",
    "POST /v1/keys": "Makes an API key, which is told this once. As KeyService.CreateKey.",
    "/v1/keys/{key}": "Tells about a key by its id or name. As KeyService.GetKey.",
    "/v1/keys/{key}/rotate": "Gives a key a new secret, which is told this once. As KeyService.RotateKey.",
    "/v1/keys/{key}/revoke": "Takes a key back for good. As KeyService.RevokeKey.",
    "/v1/cache": "Tells how well the response cache does; on the admin port alone. As CacheService.GetCacheStatistics.",
    "/v1/cache/flush": "Forgets every kept answer; on the admin port alone. As CacheService.FlushCache.",
    "/hub/api/models": "Lists the models with files here, filtered and in order as the hub does.",
    "/hub/api/models/{repo:repo}": "Tells about a model.",
    "/hub/api/models/{repo:repo}/revision/{revision:path}": "Tells about a model at a revision.",
    "/hub/api/models/{repo:repo}/refs": "Lists a model's branches.",
    "/hub/api/models/{repo:repo}/commits/{revision:path}": "Lists a revision and the older ones, the newest first.",
    "/hub/api/models/{repo:repo}/tree/{place:path}": "Lists a folder at `REVISION` or `REVISION/FOLDER`.",
    "/hub/api/models/{repo:repo}/paths-info/{revision:path}": "Tells about files and folders by their paths.",
    "/hub/{repo:repo}/resolve/{place:path}": "A file at `REVISION/PATH`.",
    "/hub/{repo:repo}/raw/{place:path}": "As `resolve`, as text to be shown.",
}

_SCALARS = {
    kind: FieldDescriptorProto.Type.Name(kind).removeprefix("TYPE_").lower()
    for kind in FieldDescriptorProto.Type.values()
}


def page() -> str:
    """The page's text."""
    found = declarations()
    public = [element for element in found if element.file.package == PACKAGE]
    facade = [element for element in found if element.file.package == REST_PACKAGE]
    lines = [NOTICE, INTRODUCTION, *_errors(), *_rest(facade, public), GRPC]
    for element in public:
        if isinstance(element.node, ServiceDescriptorProto):
            lines += _service(element, public)
    lines += ["## Messages", ""]
    for element in public:
        match element.node:
            case DescriptorProto():
                lines += _message(element, element.node, public)
            case EnumDescriptorProto():
                lines += _enum(element, public)
    return markdown.page(lines)


def _errors() -> list[str]:
    """One row for each code, told by its first class in the table; the root stands for InternalError."""
    rows: dict[str, tuple[str, ...]] = {}
    for error, code, kind in TABLE:
        documented = InternalError if error is PanopeError else error
        when = (documented.__doc__ or "").split("\n")[0]
        rows.setdefault(code.name, (code.name, str(STATUSES[code]), f"`{kind}`", when))
    return [
        ERRORS,
        *table(("gRPC code", "HTTP status", "`type`", "When"), rows.values()),
        MORE_STATUSES,
        *table(("HTTP status", "`code`", "When"), OTHER_STATUSES),
        RETRIES,
    ]


def _rest(facade: Sequence[Element], public: Sequence[Element]) -> list[str]:
    found = {path_of(route): element.comment for element in facade for route in routes_of(element)}
    rows = [(f"`{path}`", _linked(comment)) for path, comment in found.items()]
    rows += [(f"`{verb} {shown_path(path)}`", _linked(of_route(PLAIN, verb, path))) for verb, path in app_routes()]
    lines = [REST, *table(("Route", "What"), rows)]
    for body, message in BODIES:
        lines += _body(body, message, public)
    return lines


def routes_of(element: Element) -> list[Route]:
    """The routes of an element; none of one that is no method."""
    return routes(element.node) if isinstance(element.node, MethodDescriptorProto) else []


def _linked(comment: str) -> str:
    """A comment whose names of typed methods, such as InferService.Infer, lead to them."""
    text = " ".join(paragraphs(comment))
    return re.sub(r"\w+Service\.(\w+)", lambda name: f"[{name[0]}](#{anchor(name[1])})", text)


@cache
def declarations() -> list[Element]:
    """Every declaration of Panope's protos."""
    return [element for file in describe().file if file.name.startswith("panope/") for element in elements(file)]


def app_routes() -> Iterator[tuple[str, str]]:
    """The verbs and paths of plain HTTP, without the routes that only refuse."""
    files = Mock(spec_set=PublishedFiles)  # only the routes are read
    jobs = job_file_routes(Mock(spec_set=GenerationJobs))
    managed = [*key_routes(Mock(spec_set=Keys)), *cache_routes(Mock(spec_set=ResponseCache))]
    app = admin_app(
        exposition=bytes,
        not_ready=dict,
        status=_no_status,
        more=[*file_routes(files), *hub_routes(files), *jobs, *managed],
    )
    for prefix, route in _flat(app.routes):
        path, verbs = prefix + route.path, route.methods or set()
        if "{rest:" not in path:
            yield "GET" if "GET" in verbs else next(iter(verbs)), path


def of_route(told: Mapping[str, T], verb: str, path: str) -> T:
    """What a table tells of a route: by its path, or by its verb and its path where there are several verbs."""
    return told[path] if path in told else told[f"{verb} {path}"]


def _flat(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, StarletteRoute]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _flat(route.routes, prefix + route.path)
        elif isinstance(route, StarletteRoute):
            yield prefix, route


def shown_path(path: str) -> str:
    """A path of the application as a person writes it."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


async def _no_status() -> object:
    """Stands in for the server's status: only the routes of the application are read."""
    return {}


def path_of(route: Route) -> str:
    """A route as a person writes it: `GET /v1/models/{model}`."""
    path = re.sub(r"\{(\w+)=[^}]*\}", r"{\1}", route.template)
    return f"{route.verb} {path}"


def _body(body: type[Struct], message: str, public: Sequence[Element]) -> list[str]:
    """The heading and the fields of a REST body."""
    text, _ = docstring(body)
    info = inspect.type_info(body)
    assert isinstance(info, inspect.StructType)  # bodies are Structs
    descriptions = descriptions_of(body, (field.name for field in info.fields), message, public)
    rows = [
        (
            f"`{field.name}`",
            words(field.type),
            "required" if field.required else default_words(field.default),
            descriptions[field.name],
        )
        for field in sorted(info.fields, key=lambda field: not field.required)
    ]
    route = re.match(r"([A-Z]+ /[\w/{}]+)\W+(.*)", text, re.DOTALL)
    heading, text = (f"`{route[1]}`", sentence(route[2])) if route else (body.__name__, text)
    return [f"### {heading}", "", text, "", *table(("Field", "Value", "Default", "What"), rows)]


def _service(service: Element, public: Sequence[Element]) -> list[str]:
    lines = [f"### {service.node.name}", "", *_spaced(paragraphs(service.comment))]
    for element in public:
        if isinstance(element.node, MethodDescriptorProto) and element.parents == (service.node,):
            lines += [
                f"#### {element.node.name}",
                "",
                _signature(element.node),
                "",
                *_spaced(paragraphs(element.comment)),
            ]
    return lines


def _signature(method: MethodDescriptorProto) -> str:
    asked = f"{'stream of ' if method.client_streaming else ''}{_link(method.input_type)}"
    given = f"{'stream of ' if method.server_streaming else ''}{_link(method.output_type)}"
    return f"{asked} → {given}"


def _message(message: Element, node: DescriptorProto, public: Sequence[Element]) -> list[str]:
    rows = [
        (f"`{field.node.name}`", _type(field.node, node), field.comment)
        for field in _children(message, public)
        if isinstance(field.node, FieldDescriptorProto)
    ]
    fields = table(("Field", "Type", "What"), rows) if rows else ["No fields.", ""]
    return [f"### {_short(message.name)}", "", *_spaced(paragraphs(message.comment)), *fields]


def _enum(enum: Element, public: Sequence[Element]) -> list[str]:
    rows = [
        (f"`{value.node.name}`", str(value.node.number), value.comment)
        for value in _children(enum, public)
        if isinstance(value.node, EnumValueDescriptorProto)
    ]
    return [
        f"### {_short(enum.name)}",
        "",
        *_spaced(paragraphs(enum.comment)),
        *table(("Value", "Number", "What"), rows),
    ]


def _children(parent: Element, public: Sequence[Element]) -> Iterator[Element]:
    return (element for element in public if element.parents and element.parents == (*parent.parents, parent.node))


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    entry = next((each for each in message.nested_type if field.type_name.endswith(f".{each.name}")), None)
    if entry is not None and entry.options.map_entry:
        key, value = (_type(part, entry) for part in entry.field)
        return f"map of {key} to {value}"
    name = _link(field.type_name) if field.type_name else f"`{_SCALARS[field.type]}`"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return name


def _link(full: str) -> str:
    """A message's or enum's name, linked to its section when it has one."""
    if full.startswith(f".{PACKAGE}."):
        return f"[{_short(full[1:])}](#{anchor(_short(full[1:]))})"
    return f"`{full[1:]}`"


def _short(full: str) -> str:
    return full.removeprefix(f"{PACKAGE}.")


def _spaced(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in (text, "")]
