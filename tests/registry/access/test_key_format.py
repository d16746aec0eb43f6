"""A key says what it is, and one that was copied wrong is told from a wrong one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from panope_registry.access.key_format import LENGTH, ApiKey


def test_a_key_is_read_as_it_is_written() -> None:
    key = ApiKey.generate()
    assert len(str(key)) == LENGTH
    assert str(key).startswith(f"panope_{key.id}_")
    assert ApiKey.parse(str(key)) == key


def test_no_two_keys_are_alike() -> None:
    keys = [ApiKey.generate() for _ in range(200)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 200


def test_a_key_shows_no_secret_by_itself() -> None:
    key = ApiKey.generate()
    assert key.secret not in repr(key)


@given(st.integers(0, LENGTH - 1), st.characters())
def test_a_key_with_one_wrong_character_is_none(position: int, character: str) -> None:
    text = str(ApiKey("a" * 12, "b" * 32))
    wrong = text[:position] + character + text[position + 1 :]
    assert (ApiKey.parse(wrong) is None) == (wrong != text)


@given(st.text(max_size=100))
def test_any_other_text_is_no_key(text: str) -> None:
    assert ApiKey.parse(text) is None
