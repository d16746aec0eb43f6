"""/openapi.json, and the façade tried with everything that it says and with what it does not say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, settings
from rest_doubles.description import DESCRIPTION
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)
from tests.rest_paths import filled

PROGRAM = Path(__file__).parent / "programs" / "generated_client.py"
#: The admin port's own routes are tried with a registry.
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION).exclude(tag=["Admin"])

#: Every other check of schemathesis is made.
EXCLUDED = [
    positive_data_acceptance,  # fields that depend on each other are told in words, for generators of clients
    unsupported_method,  # Envoy's parser answers methods that HTTP does not know with 400
    allow_header_conformance,  # a wider path, such as that of a model called `x/files`, takes more methods
]


def excluded(case):
    # An empty parameter is one that is not given, as is a list of none in a form, and the hub's clients write true and
    # false in several ways.
    fields = case.body.values() if isinstance(case.body, dict) and case.media_type == "multipart/form-data" else ()
    takes_more = "" in (case.query or {}).values() or [] in fields or case.path.startswith("/hub/")
    return [*EXCLUDED, negative_data_rejection] if takes_more else EXCLUDED


#: Routes of plain HTTP, which pass parameters of others by, or have a test of their own.
PLAIN = (["Http"], ["Hub"], ["Admin"])

#: What the doubles, unlike a registry, keep between calls does not matter here.
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@SCHEMA.parametrize()
@settings(max_examples=6, phases=[Phase.generate], **SETTINGS)  # the many are tried by `make test-all`
def test_no_call_is_answered_in_a_way_that_is_not_described(case, running_edge):
    case.call_and_validate(base_url=running_edge.url, excluded_checks=excluded(case))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of long bodies, which are wanted
@SCHEMA.parametrize()
@settings(max_examples=50, **SETTINGS)
def test_no_call_of_many_is_answered_in_a_way_that_is_not_described(case, running_edge):
    # A slash, written so too, parts a path, and this may be that of another operation.
    assume(not any("\\" in str(value) or "/" in str(value) for value in (case.path_parameters or {}).values()))
    case.call_and_validate(base_url=running_edge.url, excluded_checks=excluded(case))


def test_the_description_is_served(edge):
    reply = edge.get("/openapi.json")
    assert (reply.status, reply.headers["content-type"], reply.json) == (200, "application/json", DESCRIPTION)
    assert edge.request("GET", "/openapi.json", port=edge.admin_port).json == DESCRIPTION


def test_every_operation_has_a_name_of_its_own_and_a_summary():
    operations = [told for path in DESCRIPTION["paths"].values() for told in path.values()]
    assert len({told["operationId"] for told in operations}) == len(operations)
    assert all(told["summary"] for told in operations)


def test_every_schema_that_is_named_is_there_and_every_schema_there_is_named():
    text = files("panope_server").joinpath("transport/openapi.json").read_text()
    schemas = DESCRIPTION["components"]["schemas"]
    assert {name for name in schemas if f'"#/components/schemas/{name}"' in text} == set(schemas)
    assert text.count("#/components/schemas/") == sum(text.count(f'"#/components/schemas/{name}"') for name in schemas)


def test_no_schema_is_a_list_of_one_truth_value_which_generators_of_clients_do_not_take():
    def enums(value):
        if isinstance(value, dict):
            yield from [value["enum"]] if isinstance(value.get("enum"), list) else []
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            yield from enums(each)

    found = list(enums(DESCRIPTION))
    assert found
    assert not [choices for choices in found if any(isinstance(choice, bool) for choice in choices)]


@pytest.mark.parametrize(
    ("path", "verb"),
    [(path, verb) for path, told in DESCRIPTION["paths"].items() for verb in told if told[verb]["tags"] not in PLAIN],
)
def test_the_query_parameters_that_are_described_are_those_that_are_taken(edge, path, verb):
    described = {
        told["name"] for told in DESCRIPTION["paths"][path][verb].get("parameters", []) if told["in"] == "query"
    }
    where = filled(path, model="acme%2Fembedder")
    known = {told for one in DESCRIPTION["paths"].values() for each in one.values() for told in _query_of(each)}
    body = None if verb in ("get", "delete") else {}
    for name in known | {"other"}:
        reply = edge.request(verb.upper(), f"{where}?{name}=", body)
        refused = reply.status in {400, 422} and f"unknown query parameter `{name}`" in reply.body.decode()
        assert refused != (name in described), (name, reply.body)


LIMITED = [
    (verb, path, told["name"], told["schema"]["maxLength"])
    for path, operations in DESCRIPTION["paths"].items()
    for verb, operation in operations.items()
    for told in operation.get("parameters", [])
    if told["in"] == "query" and "maxLength" in told["schema"] and operation["tags"] != ["Admin"]
    if told["name"] != "download"  # which any value means
]


@pytest.mark.parametrize(("verb", "path", "name", "most"), LIMITED)
def test_a_query_parameter_is_no_longer_than_is_described(edge, verb, path, name, most):
    where = filled(path, model="acme%2Fembedder")
    reply = edge.request(verb.upper(), f"{where}?{name}={'a' * (most + 1)}")
    assert reply.status in {400, 404, 422}, reply.body
    assert reply.status == 404 or f"`{name}`" in reply.body.decode(), reply.body


def _query_of(operation):
    return [told["name"] for told in operation.get("parameters", []) if told["in"] == "query"]


@pytest.mark.slow
@pytest.mark.timeout(300)  # the generator is fetched
def test_a_generated_client_works(edge, tmp_path):
    source = Path(str(files("panope_server").joinpath("transport/openapi.json")))
    uv = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--no-project", "--isolated"]
    uv += ["--with", "openapi-python-client"]

    def run(*command):
        found = {**os.environ, "PYTHONPATH": str(tmp_path / "made")}
        done = subprocess.run([*uv, *command], cwd=tmp_path, env=found, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # It knows audio and images as files of any kind alone.
    told = re.findall(r'"((?:audio|image)/[^"]+)": \{', source.read_text())
    kinds = dict.fromkeys(told, "application/octet-stream")
    (tmp_path / "config.json").write_text(json.dumps({"content_type_overrides": kinds}))
    made = ["--path", str(source), "--output-path", "made", "--config", "config.json"]
    run("openapi-python-client", "generate", "--fail-on-warning", *made)
    told = json.loads(run("python", str(PROGRAM), edge.url))

    assert told["model"] in told["models"]
    assert (told["model"], told["vectors"], told["job"], told["hub"]) == ("acme/embedder", 2, 1, ["acme/embedder"])
    assert (told["pulled"], told["missing"]) == (2, "model_not_found")
