"""A server that asks for keys: every method of every service and every path, with no key, a wrong one and another's."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from joserfc.jwk import ECKey
from locked_server import Issuer, Locked, make_key
from tests.rest_paths import filled

from command_line import panope
from page_reader import clean_environment
from panope.v1.embed_service_pb2 import EmbedRequest
from panope_client import Client, PermissionDeniedError, UnauthenticatedError
from panope_envoy.options import ADMIN_PATHS
from panope_envoy.rest_routes import descriptors, rest_routes
from panope_registry.access.key_format import ApiKey
from panope_registry.access.scopes import ModelPatterns
from panope_registry.session import RegistrySession
from panope_server.cli.server.demo import EMBED

if TYPE_CHECKING:
    from live_servers import Servers

#: The services that no proto of ours holds.
MORE_METHODS = (
    *(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha")),
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
)
PUBLIC_PATHS = ("/health", "/ready", "/openapi.json")
ADMIN_ONLY_PATHS = ("/v1/keys", "/v1/keys/admin", "/v1/cache")
FILE_PATHS = (f"/v1/files/{'0' * 64}", "/v1/model/a/b/files/config.json", "/hub/api/models", "/hub/a/b/resolve/main/x")


@pytest.fixture(scope="module")
def locked(make_servers: type[Servers], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("locked")
    servers = make_servers(folder, folder)
    issuer = Issuer()
    rules = "team:ml=models:read on acme/*,admins=admin"
    told = {
        "ISSUER": issuer.url,
        "AUDIENCES": "panope",
        "JWKS": f"{issuer.url}/keys",
        "CLAIM": "groups",
        "RULES": rules,
    }
    variables = {f"PANOPE_ACCESS_JWT_{name}": value for name, value in told.items()}
    server = servers.start("--auth", "required", home=folder / "home", demo=False, **variables)
    admin = (server.home / "admin-key").read_text().strip()
    locked = Locked(server, admin, make_key(server.home, "auditor", "audit:read"), issuer)
    for key in (locked.admin, locked.other):  # known from here on, whatever wrong keys come from the same address
        assert locked.http("GET", "/v1/models", key).status in (200, 403)
    yield locked
    servers.stop()
    issuer.close()


def all_methods() -> list[str]:
    found = FileDescriptorSet.FromString(descriptors())
    ours = [
        f"/{file.package}.{service.name}/{method.name}"
        for file in found.file
        for service in file.service
        for method in service.method
    ]
    return [*ours, *MORE_METHODS]


WRONG = str(ApiKey("A" * 12, "b" * 32))
#: The second after sixty wrong keys or tokens, which tests before have sent.
REFUSED = (401, 429)


@pytest.mark.parametrize("kind", ["no key", "a wrong key", "a key of another scope"])
@pytest.mark.parametrize("envoy", [False, True], ids=["straight", "through Envoy"])
def test_no_method_answers_raw_grpc_without_a_key_that_may(locked: Locked, kind: str, envoy: bool) -> None:
    key = {"no key": "", "a wrong key": WRONG, "a key of another scope": locked.other}[kind]
    codes = {method: locked.code(method, key, envoy=envoy) for method in all_methods() if "Health" not in method}
    hidden = {grpc.StatusCode.UNIMPLEMENTED} if envoy else set()  # what Envoy's routes do not lead to
    # Reflection is for whoever is let in; its first message is refused then.
    known = {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
    for method, code in codes.items():
        allowed = {
            grpc.StatusCode.PERMISSION_DENIED if key == locked.other else grpc.StatusCode.UNAUTHENTICATED
        } | hidden
        if "reflection" in method and kind == "a key of another scope":
            allowed |= known
        if kind == "a wrong key":
            allowed |= {grpc.StatusCode.RESOURCE_EXHAUSTED}  # after sixty of them
        assert code in allowed, (method, code)


@pytest.mark.parametrize("kind", ["no key", "a key of another scope"])
def test_no_route_answers_json_without_a_key_that_may(locked: Locked, kind: str) -> None:
    key = "" if kind == "no key" else locked.other
    for route in rest_routes():
        reply = locked.http(route.verb, filled(route.template), key)
        assert reply.status == (403 if key else 401), (route.template, reply.body)
        assert reply.error["code"] == ("scope_missing" if key else "invalid_api_key")
        assert key or reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("through", ["Envoy", "the admin port"])
def test_no_path_of_the_admin_app_answers_but_those_that_tell_nothing(locked: Locked, through: str) -> None:
    port = None if through == "Envoy" else locked.server.admin_port
    for path in (*ADMIN_PATHS, *FILE_PATHS, *(ADMIN_ONLY_PATHS if port else ())):
        for key, status in (("", 401), (WRONG, 401), (locked.other, 403)):
            reply = locked.http("GET", path, key, port=port)
            expected = {200} if path in PUBLIC_PATHS else {status, 429 if key == WRONG else status}
            assert reply.status in expected, (path, key, reply.body)
    assert locked.http("GET", "/metrics", locked.admin, port=port).status == 200


def test_keys_come_as_every_kind_of_client_sends_them(locked: Locked) -> None:
    for headers in (
        {"authorization": f"bearer {locked.admin}"},
        {"x-api-key": locked.admin},
        {"api-key": locked.admin},
    ):
        assert locked.http("GET", "/v1/models", **headers).status == 200


@pytest.mark.parametrize("address", ["grpc_port", "http_port"])
def test_the_client_and_the_commands_send_a_key(locked: Locked, address: str, tmp_path: Path) -> None:
    reached = f"127.0.0.1:{getattr(locked.server, address)}"
    with Client(reached, api_key=locked.admin) as client:
        assert list(client.models()) == []
    with Client(reached, api_key=locked.other) as client, pytest.raises(PermissionDeniedError, match="models:read"):
        list(client.models())
    with Client(reached) as client, pytest.raises(UnauthenticatedError, match="valid API key"):
        list(client.models())
    command = [sys.executable, "-m", "panope_server", "ps", "--address", reached]
    for variables, code in (({"PANOPE_API_KEY": locked.admin}, 0), ({}, 1)):
        ended = subprocess.run(
            command, env=clean_environment() | variables, capture_output=True, cwd=tmp_path, text=True
        )
        assert ended.returncode == code, ended.stderr
        assert code == 0 or "valid API key" in ended.stderr


def test_health_answers_everybody_for_the_server_and_its_services_alone(locked: Locked) -> None:
    assert locked.code("/grpc.health.v1.Health/Check", "", envoy=False) is grpc.StatusCode.OK
    assert locked.code("/grpc.health.v1.Health/Check", WRONG, envoy=True) is grpc.StatusCode.OK


def test_a_revoked_key_is_refused_within_five_seconds(locked: Locked) -> None:
    key = make_key(locked.server.home, "short-lived", "models:read")
    assert locked.http("GET", "/v1/models", key).status == 200
    with RegistrySession.open(locked.server.home / "registry.sqlite3", locked.server.home) as session:
        session.keys.revoke("short-lived")
    revoked = time.monotonic()
    while locked.http("GET", "/v1/models", key).status == 200:
        assert time.monotonic() - revoked < 5
        time.sleep(0.05)


def test_keys_are_managed_on_the_admin_port_and_reached_by_nobody_through_envoy(locked: Locked) -> None:
    port = locked.server.admin_port

    def told(verb: str, path: str, body: object = None, key: str = locked.admin) -> Any:
        """Not in what was told: keys are told here."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["content-type"] = "application/json"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return locked.server.request(verb, path, body=data, headers=headers, port=port)

    made = told("POST", "/v1/keys", {"name": "rest", "scopes": ["models:read"], "request_limits": ["100/s"]})
    assert (made.status, made.json["state"], made.headers["cache-control"]) == (201, "active", "no-store")
    key = made.json["api_key"]
    assert locked.server.request("GET", "/v1/models", headers={"x-api-key": key}).status == 200
    assert "api_key" not in told("GET", "/v1/keys/rest").json
    assert "rest" in [each["name"] for each in told("GET", "/v1/keys").json["keys"]]
    rotated = told("POST", "/v1/keys/rest/rotate", {"grace_seconds": 0}).json["api_key"]
    locked.server.wait(lambda: told("GET", "/v1/keys", key=rotated).status == 403, 5, "its new secret")
    assert told("POST", "/v1/keys/rest/revoke", {}).json["state"] == "revoked"
    for sent in (key, rotated):
        locked.server.wait(lambda sent=sent: told("GET", "/v1/keys", key=sent).status == 401, 5, "its end")

    again = {"name": "rest", "scopes": ["admin"]}
    for verb, path, body, status, code in (
        ("POST", "/v1/keys", again, 409, "already_exists"),
        ("POST", "/v1/keys", again | {"scope": "x"}, 400, "unknown_field"),
        ("POST", "/v1/keys", b"x" * 70_000, 413, "request_too_large"),
        ("GET", "/v1/keys/nobody", None, 404, "key_not_found"),
        ("GET", "/v1/keys?limit=0", None, 400, "invalid_input"),
        ("DELETE", "/v1/keys/rest", None, 405, "method_not_allowed"),
    ):
        reply = told(verb, path, body)
        assert (reply.status, reply.error["code"]) == (status, code), reply.body
    assert told("POST", "/v1/keys", again, key="").status == 401
    assert locked.http("GET", "/v1/keys", locked.admin).status == 404
    assert locked.code("/panope.v1.KeyService/ListKeys", locked.admin, envoy=True) is grpc.StatusCode.UNIMPLEMENTED
    with Client(f"127.0.0.1:{locked.server.grpc_port}", api_key=locked.admin) as client:
        assert [key.name for key in client.keys(include_ended=True) if key.name == "rest"] == ["rest"]


def test_what_is_changed_and_what_is_refused_stands_in_the_audit_log(locked: Locked) -> None:
    locked.http("DELETE", "/v1/models/acme/tiny", locked.admin, **{"x-request-id": "deleting-1"})
    reader = make_key(locked.server.home, "reader", "models:read")
    locked.http("DELETE", "/v1/models/acme/tiny", reader)

    def events() -> list[tuple[str, str, str, str]]:
        with RegistrySession.open(locked.server.home / "registry.sqlite3", locked.server.home) as session:
            found = session.audit.list(action="models.")
        return [(event.principal, event.action, event.target, event.outcome) for event in found]

    wanted = {
        ("admin", "models.delete", "acme/tiny", "model_not_found"),
        ("reader", "models.write", "", "scope_missing"),
    }
    locked.server.wait(lambda: wanted <= set(events()), 20, "the audit log")


def test_a_token_of_the_issuer_may_what_the_rules_say_through_envoy_and_nothing_elsewhere(locked: Locked) -> None:
    good, team = locked.issuer.token(), locked.issuer.token(groups=["team:ml"])
    listing, loading = "/panope.v1.RegistryService/ListModels", "/panope.v1.JobService/CancelJob"
    locked.server.wait(lambda: locked.http("GET", "/v1/models", good).status == 200, 20, "the issuer's keys")
    assert locked.code(listing, good, envoy=True) is grpc.StatusCode.OK
    assert locked.http("GET", "/status", good).status == 200
    assert locked.http("GET", "/v1/models", team).status == 200
    assert locked.http("DELETE", "/v1/models/acme/tiny", team).status == 403
    assert locked.code(loading, team, envoy=True) is grpc.StatusCode.PERMISSION_DENIED
    for port in (locked.server.admin_port, locked.server.http_port):
        assert locked.http("GET", "/status", locked.admin, port=port).status == 200
    assert locked.http("GET", "/status", good, port=locked.server.admin_port).status in REFUSED
    refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert locked.code(listing, good, envoy=False) in refused


def test_no_other_token_and_no_header_of_a_callers_own_lets_anybody_in(locked: Locked) -> None:
    issuer = locked.issuer
    locked.server.wait(lambda: locked.http("GET", "/v1/models", issuer.token()).status == 200, 20, "the issuer's keys")
    head, body, signature = issuer.token().split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    wrong = {
        "another's signature": issuer.token(ECKey.generate_key("P-256")),
        "another issuer": issuer.token(iss="https://elsewhere.example.org"),
        "another audience": issuer.token(aud="elsewhere"),
        "no audience": issuer.token(aud=None),
        "expired": issuer.token(exp=int(time.time()) - 120),
        "no end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=int(time.time()) + 600),
        "no group": issuer.token(groups=["others"]),
        "no subject": issuer.token(sub=None),
        "no signature": f"{unsigned}.{body}.",
        "changed": f"{head}.{body[:-2]}AA.{signature}",
    }
    for name, token in wrong.items():
        assert locked.http("GET", "/v1/models", token).status in REFUSED, name
    told = {"x-edge-token-claims": body, "x-edge-client-names": "cn:ada", "X-Edge-Token-Claims": body}
    for port in (locked.server.http_port, locked.server.admin_port):
        for sent in (told, told | {"authorization": f"Bearer {wrong['expired']}"}):
            reply = locked.server.request("GET", "/status", headers=sent, port=port)
            assert reply.status in REFUSED, (port, sent)
    assert locked.http("GET", f"/v1/models?access_token={issuer.token()}").status == 401
    for port in (locked.server.http_port, locked.server.grpc_port):
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            call = channel.unary_unary("/panope.v1.RegistryService/ListModels")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", metadata=[(name.lower(), value) for name, value in list(told.items())[:2]], timeout=60)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_model_that_a_key_does_not_see_is_one_that_there_is_not_by_every_protocol(locked: Locked) -> None:
    hidden, absent = EMBED.name, "sentence-transformers/absent"
    assert EMBED.path is not None
    panope("import", EMBED.path, "--name", hidden, "--home", locked.server.home)
    locked.server.wait(lambda: locked.http("GET", f"/v1/models/{hidden}", locked.admin).status == 200, 20, "the model")
    key = make_key(locked.server.home, "acme", "admin", models=ModelPatterns.parse(["acme/*"]))
    web = {"content-type": "application/grpc-web+proto", "authorization": f"Bearer {key}"}

    def told(name: str) -> list[Any]:
        request = EmbedRequest(model=name, texts=["a"]).SerializeToString()
        framed = b"\0" + len(request).to_bytes(4, "big") + request
        answers: list[Any] = []
        for port in (locked.server.grpc_port, locked.server.http_port):
            with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
                metadata = (("authorization", f"Bearer {key}"),)
                with pytest.raises(grpc.RpcError) as refused:
                    channel.unary_unary("/panope.v1.EmbedService/Embed")(request, metadata=metadata, timeout=60)
                answers.append((refused.value.code(), refused.value.details()))
        body = json.dumps({"model": name, "input": "a"}).encode()
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        replies = [
            locked.server.request("POST", "/v1/embeddings", body=body, headers=sent),
            locked.http("GET", f"/v1/models/{name}", key),
            locked.http("GET", f"/v1/models/{name}/info", key),
        ]
        answers += [(reply.status, reply.error["code"], reply.error["message"]) for reply in replies]
        reply = locked.server.request("POST", "/panope.v1.EmbedService/Embed", body=framed, headers=web)
        answers.append((reply.status, reply.headers.get("grpc-status"), reply.headers.get("grpc-message")))
        return json.loads(json.dumps(answers, default=str).replace(name, "X"))

    answers = told(hidden)
    assert answers == told(absent)
    assert [answer[0] for answer in answers] == ["StatusCode.NOT_FOUND"] * 2 + [404] * 3 + [200]
    assert answers[-1][1] == "5"


def test_keys_of_an_issuer_in_a_file_are_changed_there_while_the_server_runs(
    make_servers: type[Servers], tmp_path: Path
) -> None:
    before, after, file = Issuer(), Issuer(), tmp_path / "keys.json"
    file.write_bytes(before.keys)
    told = {"ISSUER": before.url, "AUDIENCES": "panope", "JWKS": str(file), "CLAIM": "groups", "RULES": "admins=admin"}
    servers = make_servers(tmp_path, tmp_path)
    try:
        variables = {f"PANOPE_ACCESS_JWT_{name}": value for name, value in told.items()}
        server = servers.start("--auth", "required", home=tmp_path / "home", demo=False, **variables)

        def status(token: str) -> int:
            return int(server.request("GET", "/v1/models", headers={"authorization": f"Bearer {token}"}).status)

        old, new = before.token(), after.token(iss=before.url)
        assert (status(old), status(new)) == (200, 401)
        file.write_bytes(after.keys)
        deadline = time.monotonic() + 60
        while status(new) != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert (status(old), status(new)) == (401, 200)
        assert server.request("GET", "/edge/token-keys").status == 404, "the HTTP port tells nobody"
    finally:
        servers.stop()
        before.close()
        after.close()


def test_no_key_is_found_in_any_log_metric_or_answer(locked: Locked) -> None:
    """It comes last: what the other tests sent is looked for."""
    told = [*locked.told, locked.http("GET", "/metrics", locked.admin).body]
    files = [file for file in locked.server.home.rglob("*") if file.is_file() and file.name != "admin-key"]
    files.append(locked.server.log_path)
    secrets = [key.split("_")[2] for key in (locked.admin, locked.other, WRONG)]
    for secret in [text.encode() for text in (*secrets, *locked.issuer.signatures)]:
        assert not any(secret in answer for answer in told)
        assert [file for file in files if secret in file.read_bytes()] == []


def test_the_first_key_is_for_whoever_reads_the_home_alone(locked: Locked) -> None:
    assert (locked.server.home / "admin-key").stat().st_mode & 0o777 == 0o600
    assert "admin-key" in locked.server.log()
    assert (locked.server.home / "pepper").stat().st_mode & 0o777 == 0o600
