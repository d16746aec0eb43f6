"""Who may call, and what single models may do: the sections `[access]` and `[grants]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.value_words import WORDS


class AccessSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs to keys, beside `auth`. The pepper of their hashes is the variable `PANOPE_PEPPER`, or a file."""

    public_metrics: Annotated[
        bool, Meta(description="Whether `/metrics` asks for no key; else for one with the scope `metrics:read`.")
    ] = False
    audit_retention_days: Annotated[
        int, Meta(ge=0, le=36500, description="After so many days events of the audit log are deleted; 0 for never.")
    ] = 365


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
