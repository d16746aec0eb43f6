"""Where models come from and are kept: the sections `[hub]`, `[store]` and `[shared_store]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.values import ByteSize, HttpUrl
from panope_server.config.sizes import parse_size
from panope_server.config.value_words import WORDS


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
            pattern=r"^(always|changed|never)\Z",
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
            pattern=r"^(s3://[^/\n]+(/.*)?)?\Z",
            extra={WORDS: "a text such as `s3://BUCKET/PREFIX`"},
            description="The bucket; empty for none. Its credentials are AWS's own variables.",
        ),
    ] = ""
    endpoint: Annotated[
        HttpUrl, Meta(description="A server other than AWS that speaks S3, such as `http://minio:9000`.")
    ] = ""
    region: Annotated[str, Meta(description="The region of the bucket.")] = "us-east-1"
