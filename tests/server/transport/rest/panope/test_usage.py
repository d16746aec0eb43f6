"""What callers have used, through Envoy."""

from __future__ import annotations

import pytest


def test_what_was_used_is_told_as_asked(edge):
    told = edge.get("/v1/usage?by=day,key,model&key=&model=acme/a&since=2026-01-02&until=7d").json
    assert told == {
        "usage": [
            {
                "period": "2026-01-02",
                "key": "",
                "model": "acme/a",
                "task": None,
                "requests": 7,
                "failed_requests": 1,
                "input_tokens": 300,
                "cached_tokens": 20,
                "output_tokens": 40,
                "input_bytes": 5000,
                "output_bytes": 6000,
                "device_seconds": 1.5,
            }
        ],
        "has_more": False,
    }


def test_sums_come_page_by_page(edge):
    first = edge.get("/v1/usage?by=model&limit=2").json
    assert ([each["model"] for each in first["usage"]], first["has_more"]) == (["acme/a", "acme/b"], True)
    second = edge.get("/v1/usage?by=model&limit=2&after=2").json
    assert ([each["model"] for each in second["usage"]], second["has_more"]) == (["acme/c"], False)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("by=week", "by"),
        ("since=yesterday", "since"),
        ("until=0d", "until"),
        ("limit=0", "limit"),
        ("after=-1", "after"),
        ("principal=ada", "principal"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(edge, query, field):
    reply = edge.get(f"/v1/usage?{query}")
    assert (reply.status, reply.error["param"]) == (400, field)
