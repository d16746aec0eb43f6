"""The keys of an issuer in a file that changes while the server runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from panope_backends.errors import PreconditionError
from panope_server.access.token_keys import MAX_BYTES, TokenKeys

BAD = ["", "{", "[]", '{"keys": []}', '{"keys": ["a"]}', '{"other": 1}', " " * (MAX_BYTES + 1)]


def keys_of(name: str) -> bytes:
    return json.dumps({"keys": [{"kty": "EC", "kid": name}]}).encode()


def test_what_the_file_has_now_counts(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(keys_of("a"))
    keys = TokenKeys(file)
    assert keys.read() == keys_of("a")
    file.write_bytes(keys_of("b"))
    assert keys.read() == keys_of("b")


@pytest.mark.parametrize("text", BAD)
def test_a_file_that_is_no_key_set_any_more_leaves_the_keys_as_they_were(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(keys_of("a"))
    keys = TokenKeys(file)
    file.write_text(text)
    assert keys.read() == keys_of("a")
    file.unlink()
    assert keys.read() == keys_of("a")
    file.write_bytes(keys_of("b"))
    assert keys.read() == keys_of("b")


@pytest.mark.parametrize("text", [None, *BAD])
def test_no_server_starts_with_a_file_that_is_no_key_set(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(PreconditionError, match="no JSON Web Key Set") as refused:
        TokenKeys(file)
    assert str(tmp_path) not in refused.value.message
