"""All settings, and each as the documentation and the flags see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, inspect

from panope_server.config.sections.access import AccessSettings, Grants
from panope_server.config.sections.generation import Generation
from panope_server.config.sections.hardware import HardwareSettings
from panope_server.config.sections.limits import Limits
from panope_server.config.sections.media_urls import MediaUrlSettings
from panope_server.config.sections.models import ModelsSettings
from panope_server.config.sections.openai import OpenAiSettings
from panope_server.config.sections.records import (
    GenerationJobSettings,
    InferenceLogSettings,
    JobSettings,
    UsageSettings,
)
from panope_server.config.sections.remote import RemoteSettings
from panope_server.config.sections.response_cache import ResponseCacheSettings
from panope_server.config.sections.storage import Hub, SharedStoreSettings, StoreSettings
from panope_server.config.sections.tls import TlsSettings
from panope_server.config.sections.workers import Workers

PREFIX = "PANOPE_"

Port = Annotated[int, Meta(ge=1, le=65535)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    home: Annotated[str, Meta(description="The folder of the registry, the store and the logs.")] = "~/.panope"
    host: Annotated[
        str,
        Meta(
            description="The address to listen on. Only loopback unless `auth` is `required`, or "
            "`allow_unauthenticated` is set."
        ),
    ] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="REST, by Envoy; it carries gRPC and gRPC-Web too.")] = 8000
    grpc_port: Annotated[Port, Meta(description="gRPC.")] = 8001
    admin_port: Annotated[Port, Meta(description="Metrics, health and status.")] = 8002
    envoy: Annotated[bool, Meta(description="Whether to start Envoy.")] = True
    auth: Annotated[
        str,
        Meta(
            pattern=r"^(off|optional|required)\Z",
            description="Whether callers need an API key: off asks for none, required asks everybody, optional only "
            "those who change something.",
        ),
    ] = "off"
    allow_unauthenticated: Annotated[
        bool, Meta(description="Whether other machines may call this server though `auth` is not `required`.")
    ] = False
    stop_delay_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=4,
            description="The time between saying that the server stops and closing its ports, in which balancers look "
            "elsewhere; 2 or more where others than its own Envoy send it calls.",
        ),
    ] = 0.5
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose web pages may call, such as `https://app.example.org`; `*` for every page."),
    ] = ()
    database_url: Annotated[
        str,
        Meta(
            description="The registry's database; empty for SQLite in `home`. One that begins with `postgresql://` "
            "needs the package `psycopg[binary]`."
        ),
    ] = ""
    load: Annotated[
        tuple[str, ...],
        Meta(description="Models or aliases to load at start, or as soon as they are there; `/ready` waits for them."),
    ] = ()
    model_folders: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders whose models are imported when the server starts: models' own, Triton's model "
            "repositories. A job worker does it, so `jobs.concurrency` must not be 0."
        ),
    ] = ()
    lazy_load: Annotated[bool, Meta(description="Whether the first call to a model loads it.")] = True
    default_model: Annotated[
        str,
        Meta(
            description="The model of REST calls that name none where they may: `/v1/embed`, the routes that generate "
            "and those of Text Embeddings Inference; empty for the only one of the task, if there is one."
        ),
    ] = ""
    unknown_fields: Annotated[
        str,
        Meta(
            pattern=r"^(refuse|report)\Z",
            description="Fields and query parameters of REST calls for inference that Panope does not know: refuse the "
            "call, or report answers it and names them in the header `x-panope-ignored-fields`.",
        ),
    ] = "refuse"
    backend: Annotated[str, Meta(description="The backend to use; empty lets Panope choose for each model.")] = ""
    precision: Annotated[
        str,
        Meta(description="The precision to compute in, or of quantized weights; empty lets Panope choose."),
    ] = ""
    log_level: Annotated[str, Meta(pattern=r"^(debug|info|warning|error)\Z", description="The least level logged.")] = (
        "info"
    )
    log_format: Annotated[
        str,
        Meta(
            pattern=r"^(auto|json|console)\Z",
            description="json, console (columns for people), or auto: console at a terminal, json otherwise.",
        ),
    ] = "auto"
    log_requests: Annotated[bool, Meta(description="Whether each request is logged in a line of its own.")] = True
    log_file_count: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How many files of each of the server's logs are kept in `logs/` of its home; 0 writes none.",
        ),
    ] = 0
    log_file_bytes: Annotated[int, Meta(ge=1 << 16, description="The size at which a log goes on in a new file.")] = (
        64 << 20
    )
    access: AccessSettings = AccessSettings()
    tls: TlsSettings = TlsSettings()
    limits: Limits = Limits()
    models: ModelsSettings = ModelsSettings()
    workers: Workers = Workers()
    hardware: HardwareSettings = HardwareSettings()
    generation: Generation = Generation()
    response_cache: ResponseCacheSettings = ResponseCacheSettings()
    hub: Hub = Hub()
    store: StoreSettings = StoreSettings()
    shared_store: SharedStoreSettings = SharedStoreSettings()
    grants: Grants = Grants()
    openai: OpenAiSettings = OpenAiSettings()
    remote: RemoteSettings = RemoteSettings()
    media_urls: MediaUrlSettings = MediaUrlSettings()
    jobs: JobSettings = JobSettings()
    generation_jobs: GenerationJobSettings = GenerationJobSettings()
    inference_log: InferenceLogSettings = InferenceLogSettings()
    usage: UsageSettings = UsageSettings()

    def python_of(self, backend: str) -> str:
        """The interpreter that a backend runs in; empty for the server's own."""
        return self.hardware.interpreters.get(backend, self.workers.python)

    @property
    def home_path(self) -> Path:
        """`home`, absolute, with `~` resolved."""
        return Path(self.home).expanduser().absolute()

    @property
    def database(self) -> str | Path:
        """The registry's database: the URL that was set, or SQLite's file in `home`."""
        return self.database_url or self.home_path / "registry.sqlite3"


class Setting(Struct, frozen=True):
    """One setting as the documentation and the flags see it."""

    key: tuple[str, ...]
    type: Any
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return variable_of(self.key)

    @property
    def dotted(self) -> str:
        """The key as TOML's dotted form."""
        return ".".join(self.key)


def variable_of(key: Sequence[str]) -> str:
    """The environment variable of a key."""
    return PREFIX + "_".join(key).upper()


def settings_of(kind: type[Struct] = Settings, prefix: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting, sections flattened, in the order of their definition."""
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, Struct):
            yield from settings_of(hint, (*prefix, field.name))
            continue
        description = ""
        if get_origin(hint) is Annotated:
            plain, *metas = get_args(hint)
            hint = plain
            description = " ".join(meta.description for meta in metas if meta.description)
        yield Setting((*prefix, field.name), hint, field.default, description)


def kinds_of(kind: type[Struct] = Settings, prefix: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """Every setting's dotted key and type, limits included."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)  # settings are Structs
    for field in info.fields:
        if isinstance(field.type, inspect.StructType):
            yield from kinds_of(field.type.cls, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", field.type
