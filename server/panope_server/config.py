"""Settings: one `panope.toml`, overridden by `PANOPE_…` variables, overridden by command-line flags.

A setting `http_port` is the variable `PANOPE_HTTP_PORT` and the flag `--http-port`; a setting of a section, such as
`limits.max_texts`, is `PANOPE_LIMITS_MAX_TEXTS`. An unknown key is an error that names the nearest known one.
docs/configuration.md is generated from this module.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

PREFIX = "PANOPE_"

#: Variables of that prefix which are no settings: where clients and their tests find a server, and what tests need.
OTHER_VARIABLES = ("PANOPE_ADDRESS", "PANOPE_MODEL")
TEST_PREFIX = "PANOPE_TEST_"


class SettingsError(Exception):
    """A setting is unknown or wrong; the message names it, its source and what would be right."""


Port = Annotated[int, Meta(ge=1, le=65535)]

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<prefix>[kKMGT])(?P<binary>i?)B?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(size: str | int, name: str) -> int:
    """Bytes, of a number or a text such as `200GB` (of 1000) or `1.5TiB` (of 1024).

    Raises:
        ValueError: it is neither; the message names the setting.
    """
    text = str(size).strip()
    if text.isdecimal():
        return int(text)
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"`{name}` must be a number of bytes, or such as `200GB` or `1.5TiB`")
    unit: int = (1024 if found["binary"] else 1000) ** _POWERS[found["prefix"]]
    return int(Fraction(found["number"]) * unit)


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may ask, and how much may wait."""

    max_texts: Annotated[int, Meta(ge=1, description="Texts, or token sequences, in one request.")] = 2048
    max_text_bytes: Annotated[int, Meta(ge=1, description="UTF-8 bytes of one text.")] = 1 << 20
    max_message_bytes: Annotated[
        int, Meta(ge=1 << 16, description="Bytes of one request, gRPC message or HTTP body.")
    ] = 16 << 20
    max_queue_texts: Annotated[
        int, Meta(ge=1, description="Texts that may wait for one model; past it calls fail with RESOURCE_EXHAUSTED.")
    ] = 8192
    max_queue_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of texts and tensors that may wait for one model.")
    ] = 256 << 20
    default_timeout_seconds: Annotated[
        float, Meta(gt=0, description="The time of a call whose caller set no deadline.")
    ] = 60.0


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """The worker processes, one for each model instance."""

    instances: Annotated[int, Meta(ge=1, le=64, description="Instances of each model.")] = 1
    max_batch_tokens: Annotated[int, Meta(ge=1, description="Tokens, padding included, that run as one batch.")] = 16384
    max_batch_size: Annotated[int, Meta(ge=1, description="Texts that run as one batch.")] = 32
    batch_wait_ms: Annotated[
        float, Meta(ge=0, le=1000, description="How long an idle device waits for a fuller batch.")
    ] = 0.0
    window_texts: Annotated[
        int,
        Meta(ge=1, description="Texts that one instance holds at a time; the rest wait in the server's queue."),
    ] = 512
    start_timeout_seconds: Annotated[float, Meta(gt=0, description="The time to load a model.")] = 300.0
    hang_timeout_seconds: Annotated[
        float, Meta(gt=0, description="A worker whose one batch runs longer is killed and started again.")
    ] = 120.0
    drain_timeout_seconds: Annotated[
        float, Meta(gt=0, description="The time for running work to end when a model is unloaded or the server stops.")
    ] = 30.0
    python: Annotated[str, Meta(description="The Python interpreter of workers; empty for the server's own.")] = ""


class Hub(Struct, frozen=True, forbid_unknown_fields=True):
    """Where models are registered and pulled from. Its token is the variable `HF_TOKEN`, which no file holds."""

    endpoint: Annotated[
        str, Meta(pattern="^https?://", description="The hub: Hugging Face's, or one that speaks as it.")
    ] = "https://huggingface.co"
    vendors: Annotated[
        tuple[str, ...], Meta(description="The vendors whose models may be registered; empty for every vendor.")
    ] = ()
    free_space_bytes: Annotated[int, Meta(ge=0, description="Bytes of the disk that downloads leave free.")] = 1 << 30
    parallel_downloads: Annotated[
        int, Meta(ge=1, le=32, description="Connections to the hub at once, each for one file or a part of it.")
    ] = 4


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What this machine's store may take, and how its files are checked."""

    max_bytes: Annotated[
        str | int,
        Meta(
            description="Bytes that the store may take, as a number or such as `200GB` or `1.5TiB`; 0 for no limit. "
            "What was used least recently, and can be had again, makes room."
        ),
    ] = 0
    verify: Annotated[
        str,
        Meta(
            pattern="^(always|changed|never)$",
            description="When a file is hashed again before a model opens it: always, when its size, place or time of "
            "change is another than at the last hash, or never.",
        ),
    ] = "changed"

    scrub_bytes_per_second: Annotated[
        str | int,
        Meta(
            description="How fast files that were not hashed for 30 days are hashed again, to find damage; 0 for never."
        ),
    ] = "20MB"
    remote: Annotated[
        str,
        Meta(
            pattern="^(s3://[^/]+(/.*)?)?$",
            description="A bucket that several servers share, as `s3://BUCKET/PREFIX`: what is downloaded or made here "
            "goes there, and what is there is not downloaded or made again. Its credentials are AWS's own variables.",
        ),
    ] = ""
    remote_endpoint: Annotated[
        str,
        Meta(
            pattern="^(https?://.+)?$",
            description="A server other than AWS that speaks S3, such as `http://minio:9000`.",
        ),
    ] = ""
    remote_region: Annotated[str, Meta(description="The region of the bucket.")] = "us-east-1"

    def __post_init__(self) -> None:
        parse_size(self.max_bytes, "max_bytes")
        parse_size(self.scrub_bytes_per_second, "scrub_bytes_per_second")

    @property
    def scrub_speed(self) -> int:
        """`scrub_bytes_per_second` as a number."""
        return parse_size(self.scrub_bytes_per_second, "scrub_bytes_per_second")

    @property
    def max_size(self) -> int | None:
        """`max_bytes` as a number; None for no limit."""
        return parse_size(self.max_bytes, "max_bytes") or None


Granted = Annotated[str, Meta(pattern=r"^[^/*]+/([^/*]+|\*)$")]


class Grants(Struct, frozen=True, forbid_unknown_fields=True):
    """What single models may do that no other may: names as VENDOR/NAME, or VENDOR/* for all of a vendor's."""

    pickles: Annotated[
        tuple[Granted, ...],
        Meta(
            description="Models whose weights may be PyTorch's pickles, which are read as data: nothing in them runs."
        ),
    ] = ()
    remote_code: Annotated[
        tuple[Granted, ...],
        Meta(description="Models whose own Python files may run, in their worker."),
    ] = ()


class JobSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When a job goes to another worker, and how long those that have ended are remembered."""

    lease_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="A job whose worker says nothing for so long goes to another.")
    ] = 30.0
    keep_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Days after its end that a job is kept, or as long as a job that refers to it; 0 for ever.",
        ),
    ] = 30.0
    keep_count: Annotated[
        int, Meta(ge=0, description="Of the jobs that have ended, so many of the newest are kept; 0 for all.")
    ] = 10_000


class InferenceLogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A sample of calls that is kept in the registry's table `inference_log`: names, times and sizes, never texts."""

    sample: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The part of the calls, from 0 to 1; unless set, 0.01 on PostgreSQL and 0 on SQLite."),
    ] = None
    keep_days: Annotated[int, Meta(ge=1, description="After so many days they are deleted.")] = 30


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings."""

    home: Annotated[str, Meta(description="The folder of the registry, the store and the logs.")] = "~/.panope"
    host: Annotated[
        str, Meta(description="The address to listen on. Only loopback unless `allow_unauthenticated` is set.")
    ] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="REST, by Envoy; it carries gRPC and gRPC-Web too.")] = 8000
    grpc_port: Annotated[Port, Meta(description="gRPC.")] = 8001
    admin_port: Annotated[Port, Meta(description="Metrics, health and status.")] = 8002
    envoy: Annotated[bool, Meta(description="Whether to start Envoy.")] = True
    allow_unauthenticated: Annotated[
        bool, Meta(description="Whether other machines may call this server, which asks for no key.")
    ] = False
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose web pages may call, such as `https://app.example.org`; `*` for every page."),
    ] = ()
    database_url: Annotated[str, Meta(description="The registry's database; empty for SQLite in `home`.")] = ""
    load: Annotated[
        tuple[str, ...],
        Meta(description="Models or aliases to load at start, or as soon as they are there; `/ready` waits for them."),
    ] = ()
    model_folders: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders whose models are imported when the server starts: models' own, Triton's model "
            "repositories. A job worker does it, so `job_workers` must not be 0."
        ),
    ] = ()
    lazy_load: Annotated[bool, Meta(description="Whether the first call to a model loads it.")] = True
    default_model: Annotated[
        str,
        Meta(description="The model of a call that names none; empty for the only one of the task, if there is one."),
    ] = ""
    backend: Annotated[str, Meta(description="The backend to use; empty lets Panope choose for each model.")] = ""
    precision: Annotated[
        str,
        Meta(description="The precision to compute in, or of quantized weights; empty lets Panope choose."),
    ] = ""
    job_workers: Annotated[
        int,
        Meta(
            ge=0, le=64, description="Jobs (syncs, downloads) that this server runs at a time; 0 leaves them to others."
        ),
    ] = 1
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$", description="The least level logged.")] = (
        "info"
    )
    log_format: Annotated[
        str,
        Meta(
            pattern="^(auto|json|console)$",
            description="json, console (columns for people), or auto: console at a terminal, json otherwise.",
        ),
    ] = "auto"
    log_calls: Annotated[bool, Meta(description="Whether each call is logged in a line of its own.")] = True
    log_files: Annotated[
        int,
        Meta(ge=0, le=100, description="How many files of each log are kept in `logs/` of the home; 0 writes none."),
    ] = 0
    log_file_bytes: Annotated[int, Meta(ge=1 << 16, description="The size at which a log goes on in a new file.")] = (
        64 << 20
    )
    limits: Limits = Limits()
    workers: Workers = Workers()
    hub: Hub = Hub()
    store: StoreSettings = StoreSettings()
    grants: Grants = Grants()
    jobs: JobSettings = JobSettings()
    inference_log: InferenceLogSettings = InferenceLogSettings()

    @property
    def home_path(self) -> Path:
        """`home`, absolute, with `~` resolved."""
        return Path(self.home).expanduser().absolute()

    @property
    def registry_url(self) -> str:
        """The database's URL as SQLAlchemy writes it."""
        return self.database_url or f"sqlite:///{self.home_path / 'registry.sqlite3'}"


class Setting(Struct, frozen=True):
    """One setting as the documentation and the flags see it."""

    key: tuple[str, ...]
    type: Any
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + "_".join(self.key).upper()

    @property
    def dotted(self) -> str:
        """The key as TOML's dotted form."""
        return ".".join(self.key)


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


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Reads the settings from their sources.

    Args:
        file: the TOML file; None looks for `panope.toml` in the working folder and does without.
        environment: where variables are read; None for the process's own.
        flags: dotted keys to values; None values are left out.

    Raises:
        SettingsError: an unknown key or a wrong value.
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, Any] = {}
    _merge(merged, _from_file(file))
    _merge(merged, _from_environment(environment))
    for dotted, value in (flags or {}).items():
        if value is not None:
            _put(merged, tuple(dotted.split(".")), value)
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"setting is wrong: {error}") from None


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or Path("panope.toml")
    if file is None and not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    known = {setting.dotted for setting in settings_of()}
    for dotted in _dotted_keys(content):
        if dotted not in known:
            raise SettingsError(f"{path}: unknown setting `{dotted}`{_nearest(dotted, known)}")
    return content


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {setting.variable: setting for setting in settings_of()}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(TEST_PREFIX) or variable in OTHER_VARIABLES:
            continue
        setting = known.get(variable)
        if setting is None:
            raise SettingsError(f"unknown variable `{variable}`{_nearest(variable, known)}")
        value: Any = [part for part in text.split(",") if part] if get_origin(setting.type) is tuple else text
        _put(found, setting.key, value)
    return found


def _dotted_keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _dotted_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _nearest(name: str, known: Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _put(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(part, {})
    tree[key[-1]] = value


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
