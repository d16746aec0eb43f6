"""/openapi.json, and the façade tried with everything that it says and with what it does not say."""

from __future__ import annotations

from importlib.resources import files

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from rest_doubles.description import DESCRIPTION
from schemathesis.specs.openapi.checks import allow_header_conformance, positive_data_acceptance, unsupported_method

SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)

#: Every other check of schemathesis is made.
EXCLUDED = [
    positive_data_acceptance,  # fields that depend on each other are told in words, for generators of clients
    unsupported_method,  # Envoy's parser answers methods that HTTP does not know with 400
    allow_header_conformance,  # a wider path, such as that of a model called `x/files`, takes more methods
]

#: Routes of plain HTTP, which pass parameters of others by, or have a test of their own.
PLAIN = (["Http"], ["Hub"])

#: What the doubles, unlike a registry, keep between calls does not matter here.
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@SCHEMA.parametrize()
@settings(max_examples=4, phases=[Phase.explicit, Phase.generate], **SETTINGS)
def test_no_call_is_answered_in_a_way_that_is_not_described(case, running_edge):
    case.call_and_validate(base_url=running_edge.url, excluded_checks=EXCLUDED)


@pytest.mark.slow
@pytest.mark.timeout(600)
@SCHEMA.parametrize()
@settings(max_examples=300, **SETTINGS)
def test_no_call_of_many_is_answered_in_a_way_that_is_not_described(case, running_edge):
    case.call_and_validate(base_url=running_edge.url, excluded_checks=EXCLUDED)


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


@pytest.mark.parametrize(
    ("path", "verb"),
    [(path, verb) for path, told in DESCRIPTION["paths"].items() for verb in told if told[verb]["tags"] not in PLAIN],
)
def test_the_query_parameters_that_are_described_are_those_that_are_taken(edge, path, verb):
    described = {
        told["name"] for told in DESCRIPTION["paths"][path][verb].get("parameters", []) if told["in"] == "query"
    }
    where = path.format(model="acme%2Fembedder", job="2", alias="embed", task="feature-extraction")
    known = {told for one in DESCRIPTION["paths"].values() for each in one.values() for told in _query_of(each)}
    body = None if verb in ("get", "delete") else {}
    for name in known | {"other"}:
        reply = edge.request(verb.upper(), f"{where}?{name}=", body)
        refused = reply.status == 400 and f"unknown query parameter `{name}`" in reply.body.decode()
        assert refused != (name in described), (name, reply.body)


def _query_of(operation):
    return [told["name"] for told in operation.get("parameters", []) if told["in"] == "query"]
