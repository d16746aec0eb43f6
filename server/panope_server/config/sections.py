"""The sections of `panope.toml`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_server.config.sizes import parse_size
from panope_server.config.value_words import WORDS

ByteSize = Annotated[str | int, Meta(extra={WORDS: "a number of bytes, or a text such as `200GB` or `1.5TiB`"})]
HttpUrl = Annotated[str, Meta(pattern="^(https?://.+)?$", extra={WORDS: "an address such as `https://HOST:PORT`"})]


class AccessSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs to keys, beside `auth`. The pepper of their hashes is the variable `PANOPE_PEPPER`, or a file."""

    public_metrics: Annotated[
        bool, Meta(description="Whether `/metrics` asks for no key; else for one with the scope `metrics:read`.")
    ] = False
    audit_retention_days: Annotated[
        int, Meta(ge=0, le=36500, description="After so many days events of the audit log are deleted; 0 for never.")
    ] = 365


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one request may ask, and how much may wait."""

    max_items: Annotated[int, Meta(ge=1, description="Items (texts, token sequences) in one request.")] = 2048
    max_text_bytes: Annotated[int, Meta(ge=1, description="UTF-8 bytes of one text.")] = 1 << 20
    max_prompt_bytes: Annotated[int, Meta(ge=1, description="UTF-8 bytes of one prompt to a model that generates.")] = (
        8 << 20
    )
    max_message_bytes: Annotated[
        int, Meta(ge=1 << 16, description="Bytes of one request, gRPC message or HTTP body.")
    ] = 16 << 20
    max_queue_items: Annotated[
        int, Meta(ge=1, description="Items that may wait for one model; past it calls fail with RESOURCE_EXHAUSTED.")
    ] = 8192
    max_queue_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of texts and tensors that may wait for one model.")
    ] = 256 << 20
    max_queue_work: Annotated[
        int,
        Meta(
            ge=1,
            description="Units of work that may wait for one model: about one for each token of texts, and for each "
            "token that answers may have.",
        ),
    ] = 1 << 26
    max_model_calls: Annotated[
        int,
        Meta(ge=0, description="Calls of one model that run or wait at a time; 0 for as many as its queue takes."),
    ] = 0
    max_caller_calls: Annotated[
        int,
        Meta(
            ge=0,
            description="Calls of one API key, or address without one, that run or wait at a time; 0 for any number.",
        ),
    ] = 0
    default_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="The time without a part of its answer after which a call ends whose caller set no deadline.",
        ),
    ] = 60.0
    generation_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="As `default_timeout_seconds`, for calls that generate: the time of a whole answer where it is "
            "not streamed.",
        ),
    ] = 600.0


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """The worker processes, one for each model instance."""

    instances: Annotated[int, Meta(ge=1, le=64, description="Instances of each model.")] = 1
    max_batch_tokens: Annotated[int, Meta(ge=1, description="Tokens, padding included, that run as one batch.")] = 16384
    max_batch_size: Annotated[int, Meta(ge=1, description="Items that run as one batch.")] = 32
    max_batch_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that one batch may take while it runs, estimated from the model's configuration, as a "
            "number or such as `2GiB`; 0 for any. Batches are cut to it; a call of tensors past it is refused."
        ),
    ] = "2GiB"
    max_memory_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that one worker may allocate (Linux), as a number or such as `8GiB`; 0 for what its "
            "model needs and a quarter of the machine's. Past it calls fail, and the worker lives on."
        ),
    ] = 0
    batch_wait_ms: Annotated[
        float, Meta(ge=0, le=1000, description="How long an idle device waits for a fuller batch.")
    ] = 0.0
    target_batch_ms: Annotated[
        float,
        Meta(
            ge=0,
            le=10_000,
            description="How long one batch should take at most, as measured, while one call has more items waiting "
            "than a batch holds, so that the next caller's item soon has its turn; 0 for any time.",
        ),
    ] = 20.0
    max_in_flight_items: Annotated[
        int,
        Meta(ge=1, description="Items that one instance holds at a time; the rest wait in the server's queue."),
    ] = 512
    max_in_flight_bytes: Annotated[
        int, Meta(ge=1, description="Bytes of texts and tensors that one instance holds at a time.")
    ] = 64 << 20
    start_timeout_seconds: Annotated[float, Meta(gt=0, description="The time to load a model.")] = 300.0
    hang_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="A worker whose one batch runs longer, or that makes tokens of one request for longer, is "
            "killed and started again.",
        ),
    ] = 120.0
    heartbeat_timeout_seconds: Annotated[
        float,
        Meta(
            ge=2,
            description="A worker that says nothing for so long, though it should every second, is killed and started "
            "again.",
        ),
    ] = 30.0
    breaker_failure_ratio: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="The part of the requests to an instance that must fail, by no fault of their callers, until "
            "it gets none for a while.",
        ),
    ] = 0.5
    breaker_min_requests: Annotated[
        int, Meta(ge=1, le=512, description="Of at least so many requests, for `breaker_failure_ratio`.")
    ] = 20
    breaker_window_seconds: Annotated[
        float, Meta(gt=0, description="Within this time, for `breaker_failure_ratio`.")
    ] = 30.0
    drain_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="The time for running work to end when a model is unloaded; at most 20 when the server stops.",
        ),
    ] = 30.0
    python: Annotated[str, Meta(description="The Python interpreter of workers; empty for the server's own.")] = ""

    def __post_init__(self) -> None:
        parse_size(self.max_batch_bytes, "max_batch_bytes")
        parse_size(self.max_memory_bytes, "max_memory_bytes")

    @property
    def memory_bytes(self) -> int:
        """`max_memory_bytes` as a number."""
        return parse_size(self.max_memory_bytes, "max_memory_bytes")

    @property
    def batch_bytes(self) -> int:
        """`max_batch_bytes` as a number."""
        return parse_size(self.max_batch_bytes, "max_batch_bytes")


class Generation(Struct, frozen=True, forbid_unknown_fields=True):
    """How models generate, each in its worker."""

    slots: Annotated[
        int,
        Meta(ge=1, le=1024, description="Sequences that one instance generates at once; the rest wait in the queue."),
    ] = 32
    step_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 20,
            description="Tokens that one step computes while sequences wait for their next token; longer prompts are "
            "computed in several steps.",
        ),
    ] = 512
    max_step_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 20,
            description="Tokens that one step computes at most, while none waits for its next token; not less than "
            "`step_tokens`.",
        ),
    ] = 2048
    cache_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory of one instance's cache of keys and values, as a number or such as `4GiB`; 0 for what "
            "all slots can use, as far as the memory of its worker goes."
        ),
    ] = 0
    cache_precision: Annotated[
        str, Meta(description="The precision of the cache, such as `u8`; empty lets the backend choose.")
    ] = ""
    prefix_cache: Annotated[
        bool, Meta(description="Whether prompts that begin alike share what is computed of them.")
    ] = True
    draft_tokens: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Tokens that are guessed from the prompt and the answer so far, and computed with each next "
            "one; the answers are the same. It pays where answers repeat what was before.",
        ),
    ] = 0
    max_adapters: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="LoRA adapters that run beside their base in one instance, where its backend can; others have "
            "instances of their own.",
        ),
    ] = 8
    max_adapter_rank: Annotated[
        int, Meta(ge=1, le=4096, description="The rank of an adapter that runs beside its base, at most.")
    ] = 64
    template_seconds: Annotated[
        float, Meta(gt=0, le=60, description="Processor seconds for which a chat template may render a conversation.")
    ] = 2.0

    def __post_init__(self) -> None:
        parse_size(self.cache_bytes, "cache_bytes")

    @property
    def cache_size(self) -> int:
        """`cache_bytes` as a number."""
        return parse_size(self.cache_bytes, "cache_bytes")


class Hub(Struct, frozen=True, forbid_unknown_fields=True):
    """Where models are registered and pulled from. Its token is the variable `PANOPE_HUB_TOKEN`, which no file holds.

    What is not set here is taken from Hugging Face's own variables, whose token goes to their own hub alone.
    """

    endpoint: Annotated[
        HttpUrl,
        Meta(
            description="The hub: Hugging Face's, or one that speaks as it; empty for the variable `HF_ENDPOINT`, else "
            "`https://huggingface.co`.",
        ),
    ] = ""
    offline: Annotated[
        bool | None,
        Meta(
            description="Whether no hub is asked, so that models come from its client's cache alone; unless set, as "
            "`HF_HUB_OFFLINE` says."
        ),
    ] = None
    cache_folder: Annotated[
        str,
        Meta(
            description="The cache of the hub's client, whose files are taken, verified, instead of being downloaded; "
            "empty for that of `HF_HUB_CACHE` or `HF_HOME`, `none` for none."
        ),
    ] = ""
    allowed_vendors: Annotated[
        tuple[str, ...],
        Meta(
            description="The vendors whose models may be registered, and models without a vendor; empty for every one."
        ),
    ] = ()
    min_free_bytes: Annotated[int, Meta(ge=0, description="Bytes of the disk that downloads leave free.")] = 1 << 30
    parallel_downloads: Annotated[
        int, Meta(ge=1, le=32, description="Connections to the hub at once, each for one file or a part of it.")
    ] = 4


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What this machine's store may take, and how its files are checked."""

    max_bytes: Annotated[
        ByteSize,
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
        ByteSize,
        Meta(
            description="How fast files that were not hashed for 30 days are hashed again, to find damage; 0 for never."
        ),
    ] = "20MB"

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


class SharedStoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket that several servers share: what one of them downloads or makes, the others take from there."""

    url: Annotated[
        str,
        Meta(
            pattern="^(s3://[^/]+(/.*)?)?$",
            extra={WORDS: "a text such as `s3://BUCKET/PREFIX`"},
            description="The bucket; empty for none. Its credentials are AWS's own variables.",
        ),
    ] = ""
    endpoint: Annotated[
        HttpUrl, Meta(description="A server other than AWS that speaks S3, such as `http://minio:9000`.")
    ] = ""
    region: Annotated[str, Meta(description="The region of the bucket.")] = "us-east-1"


Granted = Annotated[
    str, Meta(pattern=r"^[^/*]+(/([^/*]+|\*))?$", extra={WORDS: "models' names, or `VENDOR/*` for all of a vendor's"})
]


class Grants(Struct, frozen=True, forbid_unknown_fields=True):
    """What single models may do that no other may: names of models, or VENDOR/* for all of a vendor's."""

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


OpenAiName = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[^*]*[^*/]|[^/*]+/\*)$",
        extra={WORDS: "names of models or aliases, `VENDOR/*` for all of a vendor's, or `*` for all"},
    ),
]


class OpenAiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What clients of OpenAI's API mean: names of models or aliases, VENDOR/* for a vendor's, * for all.

    Token ids on /v1/embeddings are refused unless one of these names the model, for ids of another vocabulary than the
    model's give vectors of another text.
    """

    native_token_ids: Annotated[
        tuple[OpenAiName, ...],
        Meta(description="Models and aliases whose callers send token ids of the model's own vocabulary."),
    ] = ()
    cl100k_token_ids: Annotated[
        tuple[OpenAiName, ...],
        Meta(
            description="Models and aliases whose callers send token ids of OpenAI's cl100k_base, as LangChain does; "
            "they are turned into texts."
        ),
    ] = ()

    def __post_init__(self) -> None:
        if both := sorted(set(self.native_token_ids) & set(self.cl100k_token_ids)):
            raise ValueError(f"`native_token_ids` and `cl100k_token_ids` both name `{both[0]}`")

    def ids_of(self, asked: str, model: str) -> Literal["own", "cl100k", ""]:
        """Whose token ids callers send.

        Args:
            asked: the name that the caller wrote, which counts before what it means.
            model: that it means.
        """
        vendor, _, rest = model.partition("/")
        for name in (asked, model, f"{vendor}/*" if rest else model, "*"):
            if name in self.native_token_ids:
                return "own"
            if name in self.cl100k_token_ids:
                return "cl100k"
        return ""


class JobSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How many jobs run at a time, when one goes to another worker, and how long ended ones are remembered."""

    concurrency: Annotated[
        int,
        Meta(
            ge=0, le=64, description="Jobs (syncs, downloads) that this server runs at a time; 0 leaves them to others."
        ),
    ] = 1
    lease_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="A job whose worker says nothing for so long goes to another.")
    ] = 30.0
    retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Days after its end that a job is kept, or as long as a job that refers to it; 0 for ever.",
        ),
    ] = 30.0
    retention_count: Annotated[
        int, Meta(ge=0, description="Of the jobs that have ended, so many of the newest are kept; 0 for all.")
    ] = 10_000


class InferenceLogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A sample of calls that is kept in the registry's table `inference_log`: names, times and sizes; `panope log`."""

    sample_ratio: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The part of the requests, from 0 to 1; unless set, 0.01 on PostgreSQL and 0 on SQLite."),
    ] = None
    retention_days: Annotated[int, Meta(ge=1, description="After so many days they are deleted.")] = 30
    prompts: Annotated[
        bool, Meta(description="Whether the texts of their inputs are kept too, cut to 8 KiB; answers never are.")
    ] = False


class UsageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What callers have used, by the hour: requests, tokens, bytes and device time of each caller, model and task."""

    retention_days: Annotated[
        float, Meta(ge=0, le=36500, description="After so many days it is deleted; 0 keeps it for ever.")
    ] = 400.0
