"""What happens to each abuse that Panope is built against, and which tests show it.

Where an abuse can come over gRPC, REST and gRPC-Web, each of them has a test.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.abuse_rows import callers, contents, faults, load, requests

TESTS = Path(__file__).resolve().parents[1]

ROWS = callers.ROWS | requests.ROWS | contents.ROWS | load.ROWS | faults.ROWS

#: Rows about what Panope does not have.
NOT_HERE = {
    27: "tensors of texts have no length prefixes: they are lists of texts",
}


def test_every_row_has_tests_or_concerns_what_is_not_here() -> None:
    assert sorted([*ROWS, *NOT_HERE]) == list(range(1, 59))


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_are_there(row: int) -> None:
    for name in ROWS[row][2]:
        file, _, function = name.partition("::")
        source = (TESTS / f"{file}.py").read_text()
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), name
