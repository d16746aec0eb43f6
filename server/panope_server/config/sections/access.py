"""Who may call, and what single models may do: the sections `[access]` and `[grants]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from panope_server.config.value_words import WORDS

Rule = Annotated[
    str,
    Meta(
        pattern=r"^\S+=[^=\n]+\Z",
        extra={WORDS: "texts such as `NAME=embed:* models:read`, or `NAME=embed:* on VENDOR/*`"},
    ),
]


class JwtSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """JSON Web Tokens of an issuer elsewhere (OIDC), in place of keys, for callers of the HTTP port."""

    issuer: Annotated[str, Meta(description="What tokens name as their issuer (`iss`); empty takes no tokens.")] = ""
    audiences: Annotated[
        tuple[str, ...],
        Meta(description="Of which a token must name one (`aud`): those that are meant for this server."),
    ] = ()
    jwks: Annotated[
        str,
        Meta(
            pattern=r"^((https://|http://(localhost|127\.0\.0\.1)[:/]|/).+)?\Z",
            extra={WORDS: "a URL with `https`, or the absolute path of a file"},
            description="The issuer's keys (JWKS): where they are fetched every five minutes, or a file, which is read "
            "every five seconds.",
        ),
    ] = ""
    ca_file: Annotated[
        str, Meta(description="The authorities that are trusted there, in PEM; empty for the usual ones.")
    ] = ""
    claim: Annotated[
        str,
        Meta(
            min_length=1,
            description="The claim whose values the rules name: a text with spaces between values, or a list; `a.b` is "
            "`b` within `a`.",
        ),
    ] = "scope"
    rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description="What callers with a value of that claim may do: the value, or how it begins and `*`, then "
            "scopes, then models if not all. The first rule that matches counts."
        ),
    ] = ()

    @property
    def keys_file(self) -> Path | None:
        """The file of the issuer's keys; None where they are fetched, or there is no issuer."""
        return Path(self.jwks) if self.jwks.startswith("/") else None


class AccessSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs to keys, beside `auth`. The pepper of their hashes is the variable `PANOPE_PEPPER`, or a file."""

    public_metrics: Annotated[
        bool, Meta(description="Whether `/metrics` asks for no key; else for one with the scope `metrics:read`.")
    ] = False
    audit_retention_days: Annotated[
        int, Meta(ge=0, le=36500, description="After so many days events of the audit log are deleted; 0 for never.")
    ] = 365
    certificate_rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description="What callers with a certificate of `tls.client_ca` may do without a key: one of its names, "
            "such as `uri:spiffe://example.org/batch`, `dns:batch.example.org` or `cn:batch`, or how it begins and "
            "`*`, then scopes, then models if not all. The first rule that matches counts."
        ),
    ] = ()
    jwt: JwtSettings = JwtSettings()


Granted = Annotated[
    str,
    Meta(pattern=r"^[^/*\n]+(/([^/*\n]+|\*))?\Z", extra={WORDS: "models' names, or `VENDOR/*` for all of a vendor's"}),
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
        Meta(description="Models whose own Python files may run, in their worker, which has no network then."),
    ] = ()
    network: Annotated[
        tuple[Granted, ...],
        Meta(
            description="Of those, models whose files may use the network all the same; elsewhere than on Linux, which "
            "alone can deny it to a worker, the others do not run."
        ),
    ] = ()
