"""`panope usage`."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from panope_registry.serving_records.usage import UsageCounts, UsageKey, hour_of
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now


@pytest.fixture
def used(cli):
    """A home in which ada and somebody have used two models, this hour and two days ago."""
    moment = hour_of(now())
    with RegistrySession.open(cli.home / "registry.sqlite3", cli.home) as session:
        rows = {
            UsageKey(moment, "ada", "acme/tiny", "embed"): UsageCounts(2, 1, 1_300, 4, 5, 600, 7_000, 2_500_000),
            UsageKey(moment, "", "acme/chat", "generate"): UsageCounts(requests=3),
            UsageKey(moment - timedelta(days=2), "ada", "acme/tiny", "embed"): UsageCounts(requests=4),
        }
        session.usage.write("w", 1, rows)
    return cli


def test_usage_is_a_table_csv_or_json_by_what_is_asked(used):
    table = used("usage", "--since", "1d").out
    assert "KEY" in table
    assert "(anonymous)" in table
    assert "1,300" in table
    assert "2.500 s" in table
    assert [each["requests"] for each in used("usage", "--by", "key", "--json").json] == [3, 6]
    rows = list(csv.DictReader(io.StringIO(used("usage", "--by", "day,key", "--key", "ada", "--csv").out)))
    assert [(row["key"], row["requests"]) for row in rows] == [("ada", "4"), ("ada", "2")]
    assert rows[0]["period"] < rows[1]["period"]
    assert "model" not in rows[0]
    assert rows[1]["device_seconds"] == "2.5"


def test_wrong_words_are_refused_by_their_option(used):
    assert "`--by`" in used("usage", "--by", "week", code=2).err
    assert "`--since`" in used("usage", "--since", "soon", code=2).err
    assert "exclude each other" in used("usage", "--csv", "--json", code=2).err


def test_where_nothing_was_used_that_is_said(used):
    assert used("usage", "--model", "acme/none").out == "nothing was used\n"
    assert used("usage", "--by", "", "--until", "9d", "--json").json == []
