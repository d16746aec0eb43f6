"""Hugging Face's variables and files: each is honoured, Panope's settings come first, a token goes to its hub alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.cli.machine.doctor import _hub
from panope_server.config import Settings, load_settings
from panope_server.config.hub_environment import HubEnvironment, hub_environment

HF = "https://huggingface.co"
MIRROR = "https://mirror.example"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has nothing of Hugging Face's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seen(**variables: str) -> HubEnvironment:
    return hub_environment(load_settings(environment=_ours(variables)), variables)


def _ours(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith("PANOPE_")}


def test_without_anything_it_is_hugging_face_itself_without_a_token(user: Path) -> None:
    found = hub_environment(Settings(), {})
    assert (found.endpoint, found.endpoint_from) == (HF, "the default")
    assert (found.token, found.offline, found.ignored) == ("", False, ())
    assert (found.cache, found.cache_from) == (user / ".cache/huggingface/hub", "the default")


def test_the_endpoint_is_the_settings_own_or_theirs() -> None:
    assert seen(HF_ENDPOINT=MIRROR + "/").endpoint == MIRROR
    assert seen(HF_ENDPOINT=MIRROR, PANOPE_HUB_ENDPOINT="http://own:1").endpoint == "http://own:1"
    with pytest.raises(InvalidInputError) as caught:
        seen(HF_ENDPOINT="mirror.example")
    assert caught.value.field == "HF_ENDPOINT"


@pytest.mark.parametrize("variable", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "XDG", "home"])
@pytest.mark.parametrize(
    ("endpoints", "is_sent"),
    [
        ({}, True),
        ({"HF_ENDPOINT": MIRROR}, True),
        ({"PANOPE_HUB_ENDPOINT": HF + ":443/"}, True),
        ({"PANOPE_HUB_ENDPOINT": MIRROR, "HF_ENDPOINT": MIRROR}, True),
        ({"PANOPE_HUB_ENDPOINT": MIRROR}, False),
        ({"PANOPE_HUB_ENDPOINT": HF, "HF_ENDPOINT": MIRROR}, False),
        ({"PANOPE_HUB_ENDPOINT": "http://huggingface.co"}, False),
        ({"PANOPE_HUB_ENDPOINT": "https://huggingface.co.evil.example"}, False),
        ({"PANOPE_HUB_ENDPOINT": "https://huggingface.co:444"}, False),
    ],
)
def test_a_token_goes_to_the_hub_that_it_belongs_to_and_to_no_other(
    user: Path, variable: str, endpoints: dict[str, str], is_sent: bool
) -> None:
    files = {
        "HF_TOKEN_PATH": user / "some/token",
        "HF_HOME": user / "hf/token",
        "XDG": user / "xdg/huggingface/token",
        "home": user / ".cache/huggingface/token",
    }
    variables = dict(endpoints)
    if variable in files:
        files[variable].parent.mkdir(parents=True)
        files[variable].write_text("hf_secret\n")
        names = {"HF_TOKEN_PATH": files[variable], "HF_HOME": user / "hf", "XDG": user / "xdg"}
        if variable != "home":
            variables[variable.replace("XDG", "XDG_CACHE_HOME")] = str(names[variable])
    else:
        variables[variable] = "hf_secret"
    found = seen(**variables)
    assert found.token == ("hf_secret" if is_sent else "")
    assert bool(found.ignored) is not is_sent
    assert "hf_secret" not in repr(found) + "".join(found.ignored) + found.token_from


def test_panopes_own_token_comes_first_and_goes_wherever_the_hub_is() -> None:
    found = seen(PANOPE_HUB_TOKEN="own", HF_TOKEN="theirs", PANOPE_HUB_ENDPOINT=MIRROR)
    assert (found.token, found.token_from, found.ignored) == ("own", "PANOPE_HUB_TOKEN", ())


def test_their_variables_come_in_their_order(user: Path) -> None:
    (user / ".cache/huggingface").mkdir(parents=True)
    (user / ".cache/huggingface/token").write_text("written")
    assert seen(HF_TOKEN="first", HUGGING_FACE_HUB_TOKEN="second").token == "first"
    assert seen(HUGGING_FACE_HUB_TOKEN="second").token == "second"
    assert seen().token == "written"
    assert seen(HF_TOKEN="").token == "written"
    assert seen(HF_HUB_DISABLE_IMPLICIT_TOKEN="1").token == ""
    assert seen(HF_HUB_DISABLE_IMPLICIT_TOKEN="1", PANOPE_HUB_TOKEN="own").token == "own"


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "naïve", "\x00"])
def test_what_no_header_can_hold_is_no_token(token: str) -> None:
    found = seen(HF_TOKEN=token)
    assert (found.token, found.ignored) == ("", ("HF_TOKEN holds no token",))


@pytest.mark.parametrize(("value", "is_offline"), [("1", True), ("yes", True), ("On", True), ("0", False)])
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_theirs_unless_it_is_set(variable: str, value: str, is_offline: bool) -> None:
    assert seen(**{variable: value}).offline is is_offline
    assert seen(**{variable: value, "PANOPE_HUB_OFFLINE": "false"}).offline is False
    assert seen(**{variable: value, "PANOPE_HUB_OFFLINE": "true"}).offline_from == "`hub.offline`"


def test_the_cache_is_the_settings_own_or_theirs(user: Path) -> None:
    assert seen(HF_HOME="/hf").cache == Path("/hf/hub")
    assert seen(HF_HOME="/hf", HUGGINGFACE_HUB_CACHE="/older").cache == Path("/older")
    assert seen(HF_HUB_CACHE="~/cache", HUGGINGFACE_HUB_CACHE="/older").cache == user / "cache"
    assert seen(HF_HUB_CACHE="/theirs", PANOPE_HUB_CACHE_FOLDER="/own").cache == Path("/own")
    assert seen(HF_HUB_CACHE="/theirs", PANOPE_HUB_CACHE_FOLDER="none").cache is None
    assert seen(XDG_CACHE_HOME="/xdg").cache == Path("/xdg/huggingface/hub")


def test_doctor_tells_what_is_used_and_whence_and_shows_no_token(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_CACHE", str(user))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("HF_ENDPOINT", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "PANOPE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    hub, token, cache = _hub(Settings())
    assert hub["detail"] == f"{HF}, from the default; it is not asked: HF_HUB_OFFLINE"
    assert token["detail"] == f"sent to {HF} alone, from HF_TOKEN"
    assert cache["detail"].startswith(f"{user}, from HF_HUB_CACHE: its files are taken")
    _, token, _ = _hub(load_settings(environment={"PANOPE_HUB_ENDPOINT": MIRROR}))
    assert token["detail"] == f"none; HF_TOKEN is not sent: it belongs to {HF}; PANOPE_HUB_TOKEN is for {MIRROR}"
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    assert [finding["ok"] for finding in _hub(Settings())] == [False]
