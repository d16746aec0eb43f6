"""The section `[models]` of `panope.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.durations import parse_keep_alive
from panope_server.config.sections.values import ByteSize, check_single
from panope_server.config.sizes import parse_size
from panope_server.config.value_words import WORDS

KeepAlive = Annotated[str | int | float, Meta(extra={WORDS: "seconds, or a duration such as `5m` or `1h30m`"})]
BackendsEntry = Annotated[
    str,
    Meta(pattern=r"^[^=\n]+=[^=\n]+\Z", extra={WORDS: "texts such as `VENDOR/NAME=openvino,cpu` and `VENDOR/*=cpu`"}),
]
KeepAliveEntry = Annotated[
    str, Meta(pattern=r"^[^=\n]+=.+\Z", extra={WORDS: "texts such as `VENDOR/NAME=10m` and `VENDOR/*=-1`"})
]
PartsEntry = Annotated[
    str, Meta(pattern=r"^[^=\n]+=[1-9][0-9]?\Z", extra={WORDS: "texts such as `VENDOR/NAME=2` and `VENDOR/*=4`"})
]


class ModelsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How many models are loaded at once, and for how long."""

    max_memory_bytes: Annotated[
        ByteSize,
        Meta(
            description="Memory that all loaded models may take together, in the machine's own and in each device's, "
            "as a number or such as `24GiB`; 0 for what there is. The models that were used least recently make room, "
            "never one that answers a call."
        ),
    ] = 0
    max_loaded_models: Annotated[
        int, Meta(ge=0, description="Models that are loaded at once; 0 for any number. Room is made as for memory.")
    ] = 0
    keep_alive: Annotated[
        KeepAlive,
        Meta(
            description="How long a model stays loaded that nobody uses, in seconds or such as `5m`; empty for as long "
            "as its memory is not needed, 0 unloads it after the call, and a negative one keeps it for ever."
        ),
    ] = ""
    keep_alive_by_model: Annotated[
        tuple[KeepAliveEntry, ...],
        Meta(
            description="The same for single models, or `VENDOR/*` for all of a vendor's. Loads and calls may say "
            "otherwise of theirs; models of the setting `load` are kept for ever."
        ),
    ] = ()

    preferred_backends: Annotated[
        tuple[str, ...],
        Meta(
            description="Backends that run models rather than others, the most wanted first; what none of them can run "
            "runs on another, down to `cpu`, and the reason is told. A load may say otherwise of its own."
        ),
    ] = ()
    preferred_backends_by_model: Annotated[
        tuple[BackendsEntry, ...],
        Meta(description="The same for single models, or `VENDOR/*` for all of a vendor's."),
    ] = ()
    tensor_parallel_by_model: Annotated[
        tuple[PartsEntry, ...],
        Meta(
            description="Devices that each instance of a model, or of all of a vendor's, is divided over. Others run "
            "whole, or over as few devices as hold them where one of them does not; `=1` forbids that."
        ),
    ] = ()

    def __post_init__(self) -> None:
        parse_size(self.max_memory_bytes, "max_memory_bytes")
        parse_keep_alive(self.keep_alive, "keep_alive")
        for entry in self.keep_alive_by_model:
            parse_keep_alive(entry.partition("=")[2], f"keep_alive_by_model: {entry}")
        check_single(self.keep_alive_by_model)
        check_single(self.preferred_backends_by_model)
        check_single(self.tensor_parallel_by_model)

    @property
    def memory_bytes(self) -> int:
        """`max_memory_bytes` as a number."""
        return parse_size(self.max_memory_bytes, "max_memory_bytes")

    def keep_alive_of(self, model: str) -> float | None:
        """Returns seconds for which a model stays loaded that nobody uses.

        Args:
            model: `vendor/name`.

        Returns:
            Infinity for ever, None for as long as its memory is not needed.
        """
        text = _of_model(self.keep_alive_by_model, model)
        return parse_keep_alive(self.keep_alive if text is None else text, "keep_alive")

    @property
    def named_backends(self) -> tuple[str, ...]:
        """Every backend that is preferred for some model."""
        said = (
            name.strip() for entry in self.preferred_backends_by_model for name in entry.partition("=")[2].split(",")
        )
        return tuple(dict.fromkeys((*self.preferred_backends, *said)))

    def preferred_backends_of(self, model: str) -> tuple[str, ...]:
        """Returns the backends that run a model rather than others, the most wanted first.

        Args:
            model: `vendor/name`.
        """
        text = _of_model(self.preferred_backends_by_model, model)
        return self.preferred_backends if text is None else tuple(name.strip() for name in text.split(","))

    def tensor_parallel_of(self, model: str) -> int:
        """Returns the devices that each instance of a model is divided over; 0 leaves it to what holds it.

        Args:
            model: `vendor/name`.
        """
        return int(_of_model(self.tensor_parallel_by_model, model) or 0)


def _of_model(entries: tuple[str, ...], model: str) -> str | None:
    """What is said of a model, or else of all of its vendor's; None where nothing is."""
    said = dict(entry.partition("=")[::2] for entry in entries)
    vendor, _, rest = model.partition("/")
    return said.get(model, said.get(f"{vendor}/*" if rest else model))
