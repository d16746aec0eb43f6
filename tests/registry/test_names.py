"""One rule for names of models, one for paths inside them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.names import parse_model_name, safe_relative_path, shown


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "_x/_",
        "0/9",
        "a" * 96 + "/" + "b" * 96,
        "a",
        "gpt2",
        "bert-base-uncased",
        "nomic-embed-text:latest",
        "ft:gpt-3.5-turbo-0613:acme::7p4lURel",
        "acme/tiny:q4_k_m",
        "a" * 96,
    ],
)
def test_names_of_the_hub_of_openai_and_of_ollama_are_names(name: str) -> None:
    parsed = parse_model_name(name)
    assert str(parsed) == name
    assert parsed.vendor == (name.partition("/")[0] if "/" in name else "")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ":a",
        "a:",
        "a/:b",
        "a/b:",
        "a:/b",
        "a//b",
        "a" * 97,
        "a/",
        "/b",
        "a/b/c",
        "../b",
        "a/..",
        ".a/b",
        "-a/b",
        "a/-b",
        "a/b..c",
        "a/b c",
        "a/é",
        "a/b\n",
        "a\\b",
        "a/" + "b" * 97,
        "a/b\x00",
        "https://x/y",
    ],
)
def test_other_names_are_refused_by_the_field(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_model_name(name)
    assert caught.value.field == "name"
    assert "\n" not in caught.value.message


@given(st.text(alphabet=st.characters(), max_size=40))
def test_a_name_that_is_accepted_is_safe_in_a_path_and_a_url(text: str) -> None:
    try:
        name = parse_model_name(text)
    except InvalidInputError:
        return
    assert str(name) == text
    assert name.name
    for part in (name.vendor, name.name):
        assert part.isascii()
        assert part not in (".", "..")
        assert not part.startswith(("-", "."))
        assert set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@pytest.mark.parametrize(
    "path", ["config.json", "1_Pooling/config.json", "a b/c", "…/ü.json", "a..b/..c", ".gitattributes"]
)
def test_paths_inside_a_folder_are_accepted_unchanged(path: str) -> None:
    assert safe_relative_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "../x", "a/../b", "a/..", "/etc/passwd", "//x", "a//b", "a/", "./a", "a\\b", "..\\x", "C:x"),
        *("c:/x", "a\x00b", "a\nb", "a\x7f", "\udc80", "a\u202eb", "x" * 256, "a/" * 600 + "b"),
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        safe_relative_path(path)
    assert caught.value.reason == "unsafe_path"
    assert caught.value.message.isprintable()


@given(
    st.lists(st.sampled_from(["..", ".", "a", "", "/", "\\", "C:", "\x00", "é", "..."]), max_size=8).map("".join)
    | st.lists(st.sampled_from(["..", ".", "a", "", "~", "C:"]), max_size=6).map("/".join)
    | st.text(max_size=30)
)
def test_an_accepted_path_stays_inside_on_every_system(text: str) -> None:
    try:
        path = safe_relative_path(text)
    except InvalidInputError:
        return
    root = Path("/store/view")
    assert not PurePosixPath(path).is_absolute()
    assert not PureWindowsPath(path).anchor
    assert ".." not in PureWindowsPath(path).parts
    assert root in (root / path).parents
    assert str(PurePosixPath(path)) == path


@given(st.text(max_size=300))
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text, 10)) <= 10 * len("\\x10ffff") + 1
