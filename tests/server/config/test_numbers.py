"""Numbers as texts: what JSON writes, and nothing else that Python reads."""

import pytest

from panope_server.config.durations import parse_keep_alive
from panope_server.config.numbers import read_integer, read_number
from panope_server.config.sizes import parse_size

NONE = [
    "",
    " ",
    "1_0",
    "\uff11\uff12",
    "\u0661",
    "+5",
    " 5",
    "5 ",
    "05",
    "0x10",
    "nan",
    "inf",
    "-Infinity",
    "1e400",
    "null",
    "true",
]


@pytest.mark.parametrize("text", NONE)
def test_what_json_does_not_write_is_no_number(text):
    assert read_number(text) is None
    assert read_integer(text) is None


def test_numbers_are_read_as_json_writes_them():
    assert [read_number(text) for text in ("0.5", "-3", "1e-1", "2E2")] == [0.5, -3.0, 0.1, 200.0]
    assert [read_integer(text) for text in ("0", "-3", str(1 << 63))] == [0, -3, 1 << 63]
    assert read_integer("1.5") is None


@pytest.mark.parametrize("text", ["\uff15", "\uff15m", "1_0"])
def test_durations_and_sizes_have_the_digits_of_ascii_too(text):
    with pytest.raises(ValueError, match="`it`"):
        parse_keep_alive(text, "it")
    with pytest.raises(ValueError, match="`it`"):
        parse_size(f"{text}GB", "it")
