"""The configuration as Envoy sees it, and the routes as the descriptors tell them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from panope_envoy import http_connections
from panope_envoy.__main__ import validate
from panope_envoy.bootstrap import bootstrap
from panope_envoy.options import EdgeOptions, hosts_for
from panope_envoy.rest_routes import RestRoute, rest_routes
from panope_envoy.secrets import secret_files
from panope_server.observability import request_id


def options(**given: object) -> EdgeOptions:
    return EdgeOptions(grpc_socket="grpc.sock", envoy_admin_socket="envoy.sock", **given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"admin_socket": "admin.sock"},
        {"http_host": "0.0.0.0", "admin_host": "0.0.0.0"},
        {"http_host": "::1", "admin_host": "::1"},
        {"http_host": "localhost", "admin_host": "localhost"},
        {"cors_origins": ("*",), "access_log": "/dev/null"},
        {"allowed_hosts": ("api.example.org", "*.example.org")},
    ],
)
def test_envoy_accepts_the_configuration(given):
    assert validate(options(**given)) == 0


def test_envoy_accepts_tls_with_and_without_certificates_of_clients(tmp_path):
    for name, document in secret_files("certificate", "key", "ca").items():
        (tmp_path / name).write_text(json.dumps(document))
    for asked in (False, True):
        assert validate(options(tls_folder=str(tmp_path), client_certificates=asked)) == 0


def test_envoy_refuses_a_broken_script(monkeypatch, capsys):
    monkeypatch.setattr(http_connections, "lua_source", lambda _: "function envoy_on_response(")
    assert validate(options()) != 0
    assert "script load error" in capsys.readouterr().err


def test_the_configuration_is_json():
    assert json.loads(json.dumps(bootstrap(options()))) == bootstrap(options())


def test_no_two_routes_have_the_same_verb_and_paths():
    shapes = Counter((route.verb, re.sub(r"\{\w+", "{", route.template)) for route in rest_routes())
    assert [shape for shape, count in shapes.items() if count > 1] == []


@pytest.mark.parametrize(
    ("template", "matches", "others"),
    [
        ("/v1/models", ["/v1/models", "/v1/models/"], ["/v1/models/a", "/v1/modelsx"]),
        ("/v1/models/{model=**}", ["/v1/models/a", "/v1/models/a/b"], ["/v1/models", "/v1/models/"]),
        ("/v1/models/{model}/info", ["/v1/models/a/info"], ["/v1/models/a/b/info", "/v1/models/info"]),
        ("/v1/models/{model=*/*}/info", ["/v1/models/a/b/info"], ["/v1/models/a/info", "/v1/models/a/b/infox"]),
        ("/v1/a.b/{c}", ["/v1/a.b/c"], ["/v1/aXb/c"]),
    ],
)
def test_a_pattern_matches_what_its_template_does(template, matches, others):
    pattern = re.compile(RestRoute("GET", template, "s", "m").pattern)
    assert all(pattern.fullmatch(path) for path in matches)
    assert not any(pattern.fullmatch(path) for path in others)


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("127.0.0.1", ("localhost", "127.0.0.1", "[::1]")),
        ("::1", ("localhost", "127.0.0.1", "[::1]")),
        ("localhost", ("localhost", "127.0.0.1", "[::1]")),
        ("0.0.0.0", ()),
        ("10.1.2.3", ()),
        ("api.example.org", ()),
    ],
)
def test_names_are_checked_on_loopback_alone(host, hosts):
    assert hosts_for(host) == options(http_host=host).hosts == hosts


def test_given_names_replace_the_usual_ones():
    assert options(allowed_hosts=("a.example",)).hosts == ("a.example",)
    assert options(allowed_hosts=()).hosts == ()


def test_the_edge_and_the_server_accept_the_same_request_ids():
    script = Path(http_connections.__file__).with_name("requests.lua").read_text()
    allowed = re.search(r'id:find\("\[\^%w(.*?)\]"\)', script)
    assert allowed is not None
    punctuation = {character for character in map(chr, range(33, 127)) if not character.isalnum()}
    sane = {character for character in punctuation if request_id.request_id_from(character) == character}
    assert set(allowed[1]) == sane
    assert request_id.request_id_from("a" * 128) == "a" * 128 != request_id.request_id_from("a" * 129)
    assert "#id > 128" in script
