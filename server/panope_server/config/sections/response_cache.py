"""The section `[response_cache]` of `panope.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.sections.values import ByteSize, OpenAiName
from panope_server.config.sizes import parse_size
from panope_server.config.value_words import WORDS


class ResponseCacheSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Answers that are kept, and given again to an equal call of the same model.

    They are those that are always alike: of embeddings, classifications and rankings, and of generation at
    temperature 0 or with a seed.
    """

    enabled: Annotated[bool, Meta(description="Whether answers are kept.")] = False
    max_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that kept answers may take, as a number or such as `256MiB`; what was used least "
            "recently makes room."
        ),
    ] = "256MiB"
    max_entry_bytes: Annotated[ByteSize, Meta(description="A larger answer, to one item of a call, is not kept.")] = (
        "1MiB"
    )
    ttl_seconds: Annotated[float, Meta(gt=0, le=365 * 86400, description="How long an answer is kept.")] = 3600.0
    share_between_keys: Annotated[
        bool,
        Meta(
            description="Whether one caller may get an answer that another's call was kept of. Callers that nobody "
            "knows always share."
        ),
    ] = False
    tensor_models: Annotated[
        tuple[OpenAiName, ...],
        Meta(
            description="Models and aliases whose answers to plain tensors are kept, `VENDOR/*` for a vendor's, `*` "
            "for all: models that draw no random numbers and keep no state from call to call."
        ),
    ] = ()
    remote_models: Annotated[
        bool,
        Meta(
            description="Whether answers of models on servers elsewhere are kept too, though such a model can change "
            "without this server's knowledge."
        ),
    ] = False

    redis_url: Annotated[
        str,
        Meta(
            pattern=r"^((rediss?|unix)://.+)?\Z",
            extra={WORDS: "an address such as `redis://HOST:6379/0`, `rediss://…` or `unix:///PATH`"},
            description="A server that speaks Redis's protocol, by which several servers share what they keep; empty "
            "for none. It needs the package `redis`.",
        ),
    ] = ""
    redis_timeout_ms: Annotated[
        float, Meta(gt=0, le=1000, description="How long a call waits for that server; past it, it is run.")
    ] = 50.0

    def __post_init__(self) -> None:
        parse_size(self.max_bytes, "max_bytes")
        parse_size(self.max_entry_bytes, "max_entry_bytes")

    @property
    def size(self) -> int:
        """`max_bytes` as a number."""
        return parse_size(self.max_bytes, "max_bytes")

    @property
    def entry_size(self) -> int:
        """`max_entry_bytes` as a number."""
        return parse_size(self.max_entry_bytes, "max_entry_bytes")

    def keeps_tensors_of(self, asked: str, model: str) -> bool:
        """Whether answers to plain tensors are kept.

        Args:
            asked: the name that the caller wrote.
            model: that it means.
        """
        vendor, _, rest = model.partition("/")
        return any(name in self.tensor_models for name in (asked, model, f"{vendor}/*" if rest else model, "*"))
