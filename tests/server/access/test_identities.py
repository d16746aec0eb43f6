"""Callers without keys: by claims and names that the edge tells, and by nothing that callers say themselves."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panope_backends.errors import PreconditionError, UnauthenticatedError
from panope_server.access.authentication import unauthenticated
from panope_server.access.caller import Caller, certificate_names
from panope_server.access.identities import CertificateIdentity, Identify, IdentityAccess, TokenIdentity
from panope_server.access.principal import Principal
from panope_server.access.rules import Rule, Rules
from panope_server.app.access import identities_of
from panope_server.config import load_settings
from panope_server.tasks.catalog import check_scopes

MOMENT = datetime(2026, 11, 29, tzinfo=UTC)
CLAIMS = {"sub": "ada", "exp": MOMENT.timestamp() + 60, "scope": "openid team:ml"}
RULES = ["team:*=embed:* on acme/*", "admins=admin"]


class Keys:
    """Knows one key."""

    async def principal_of(self, caller: Caller) -> Principal:
        if caller.metadata.get("x-api-key") == "panope_good":
            return Principal("key", "K")
        raise unauthenticated()

    def is_live(self, principal: Principal) -> bool:
        return True


def told(claims: Any, **more: str) -> Caller:
    """A call that our own Envoy passes on with the claims of a token that it has checked."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return Caller({"x-edge-token-claims": encoded, **more}, is_edge=True)


def access(claim: str = "scope", moment: datetime = MOMENT) -> IdentityAccess:
    identities: list[Identify] = [
        TokenIdentity(claim, Rules(RULES, "rules")),
        CertificateIdentity(Rules(["cn:ada=admin"], "rules")),
    ]
    return IdentityAccess(Keys(), identities, lambda: moment)


async def test_a_token_may_what_the_first_rule_for_a_value_of_its_claim_says() -> None:
    principal = await access().principal_of(told(CLAIMS))
    assert (principal.name, principal.key_id, principal.flow) == ("token:ada", "", "token:ada")
    assert (principal.scopes.texts, principal.models.texts) == (["embed:*"], ("acme/*",))
    both = CLAIMS | {"scope": ["admins", "team:ml"]}
    assert (await access().principal_of(told(both))).scopes.texts == ["embed:*"]


async def test_a_rule_for_all_is_for_every_good_token_and_for_certificates_that_were_shown_alone() -> None:
    rules = Rules(["*=embed:*"], "rules")
    identities: list[Identify] = [TokenIdentity("scope", rules), CertificateIdentity(rules)]
    everybody = IdentityAccess(Keys(), identities, lambda: MOMENT)
    without = {name: value for name, value in CLAIMS.items() if name != "scope"}
    assert (await everybody.principal_of(told(without))).name == "token:ada"
    assert (await everybody.principal_of(Caller({}, shown=lambda: ("cn:eve",)))).name == "certificate:cn:eve"
    for nobody in (Caller({}), Caller({}, is_edge=True), told(without | {"exp": 0})):
        with pytest.raises(UnauthenticatedError):
            await everybody.principal_of(nobody)


async def test_a_claim_may_be_within_another() -> None:
    claims = CLAIMS | {"realm_access": {"roles": ["admins", 7]}}
    assert (await access("realm_access.roles").principal_of(told(claims))).may_use("models", "write")


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS | {"scope": "openid"},
        CLAIMS | {"scope": {"team:ml": True}},
        {name: value for name, value in CLAIMS.items() if name != "sub"},
        CLAIMS | {"sub": "a\nb"},
        CLAIMS | {"sub": "a" * 201},
        {name: value for name, value in CLAIMS.items() if name != "exp"},
        CLAIMS | {"exp": "soon"},
        json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "NaN"),
        CLAIMS | {"exp": MOMENT.timestamp() - 61},
        ["team:ml"],
        "{",
        "[" * 100_000,
    ],
    ids=lambda claims: str(claims)[:60],
)
async def test_claims_that_say_nothing_of_a_caller_let_nobody_in(claims: Any) -> None:
    with pytest.raises(UnauthenticatedError):
        await access().principal_of(told(claims))


async def test_a_stream_of_a_token_ends_with_it() -> None:
    principal = await access().principal_of(told(CLAIMS))
    assert access(moment=MOMENT + timedelta(seconds=119)).is_live(principal), "clocks may differ by a minute"
    assert not access(moment=MOMENT + timedelta(seconds=120)).is_live(principal)


async def test_what_only_the_edge_may_say_is_believed_of_nobody_else() -> None:
    for headers in (told(CLAIMS).metadata, {"x-edge-client-names": "cn:ada"}):
        with pytest.raises(UnauthenticatedError):
            await access().principal_of(Caller(headers, "127.0.0.1"))
    assert (await access().principal_of(Caller({"x-edge-client-names": "cn:ada"}, is_edge=True))).may_use(
        "keys", "read"
    )
    straight = Caller({}, "127.0.0.1", shown=lambda: ("cn:ada",))
    assert (await access().principal_of(straight)).name == "certificate:cn:ada"
    through_others = Caller({}, is_edge=True, shown=lambda: ("cn:ada",))
    with pytest.raises(UnauthenticatedError):
        await access().principal_of(through_others)


async def test_a_key_counts_before_all_else_and_a_wrong_one_too() -> None:
    assert (await access().principal_of(told(CLAIMS, **{"x-api-key": "panope_good"}))).name == "key"
    with pytest.raises(UnauthenticatedError):
        await access().principal_of(told(CLAIMS, **{"x-api-key": "panope_wrong"}))


def test_names_of_certificates_have_their_kind_and_none_is_read_as_two() -> None:
    names = certificate_names(["spiffe://a/b", "x dns:evil", "a,b"], ["a.example", "cn:x"], ["ada", "", "a\n"])
    assert names == ("uri:spiffe://a/b", "dns:a.example", "dns:cn:x", "cn:ada")
    assert len(certificate_names([f"u{number}" for number in range(100)], [], ["ada"])) == 32


@pytest.mark.parametrize(
    ("text", "name", "scopes", "models"),
    [
        ("uri:spiffe://a?b=c=embed:*", "uri:spiffe://a?b=c", ["embed:*"], ("*",)),
        ("x=embed:run models:read on acme/* other/m", "x", ["embed:run", "models:read"], ("acme/*", "other/m")),
    ],
)
def test_rules_are_read(text: str, name: str, scopes: list[str], models: tuple[str, ...]) -> None:
    rule = Rule.parse(text, "rules")
    assert (rule.name, rule.scopes.texts, rule.models.texts) == (name, scopes, models)


@pytest.mark.parametrize("text", ["x", "=admin", "x=", "x y=admin", "x=embedd:run", "x=admin on", "x=admin on a b/*/c"])
def test_a_rule_that_is_none_is_refused_by_its_setting(text: str) -> None:
    with pytest.raises(PreconditionError, match=r"access\.certificate_rules"):
        Rule.parse(text, "access.certificate_rules", check_scopes)


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({"PANOPE_AUTH": "off"}, "`auth`"),
        ({"PANOPE_AUTH": "required", "PANOPE_ACCESS_JWT_AUDIENCES": ""}, r"`access\.jwt\.audiences`"),
        ({"PANOPE_AUTH": "required", "PANOPE_ACCESS_JWT_ISSUER": ""}, r"`access\.jwt\.issuer`"),
        ({"PANOPE_AUTH": "required", "PANOPE_ENVOY": "false"}, "`envoy`"),
        ({"PANOPE_AUTH": "required", "PANOPE_ACCESS_CERTIFICATE_RULES": "cn:a=admin"}, r"`tls\.client_ca`"),
    ],
)
def test_settings_that_would_let_nobody_in_are_refused(variables: dict[str, str], missing: str) -> None:
    jwt = {
        "PANOPE_ACCESS_JWT_ISSUER": "https://issuer.example.org",
        "PANOPE_ACCESS_JWT_AUDIENCES": "panope",
        "PANOPE_ACCESS_JWT_JWKS": "/jwks.json",
        "PANOPE_ACCESS_JWT_RULES": "*=infer:*",
    }
    with pytest.raises(PreconditionError, match=missing):
        identities_of(load_settings(environment=jwt | variables))
