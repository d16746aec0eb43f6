"""Backends are found by name, one at a time, and clashes are told."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from panope_backends import plugins
from panope_backends.api import API_VERSION
from panope_backends.errors import PreconditionError
from panope_backends.plugins import backend_names, backend_version, load_backend

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes exactly these entry points, `name = value` pairs, the installed ones."""

    def with_points(*points: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, plugins.GROUP) for name, value in points]
        monkeypatch.setattr(plugins, "entry_points", lambda *, group: found)

    return with_points


def test_panopes_own_backends_are_installed() -> None:
    assert {"cpu", "openvino"} <= set(backend_names())
    assert load_backend("cpu").name == "cpu"
    assert load_backend("openvino").name == "openvino"
    assert backend_version("cpu")


def test_an_unknown_name_is_refused_with_those_there_are(install: Install) -> None:
    install(("b", "x:Y"), ("a", "x:Z"))
    with pytest.raises(PreconditionError, match=r"there is no backend `c`; installed: a, b"):
        load_backend("c")


def test_only_the_named_backend_is_imported(install: Install) -> None:
    install(("broken", "no_such_module:Backend"), ("echo", "panope_backends.testing:EchoBackend"))
    assert backend_names() == ["broken", "echo"]
    assert load_backend("echo").name == "echo"


def test_a_name_that_two_packages_claim_is_refused(install: Install) -> None:
    install(("echo", "panope_backends.testing:EchoBackend"), ("echo", "panope_backends.testing:SlowBackend"))
    assert backend_names() == ["echo"]
    with pytest.raises(PreconditionError, match="several packages register a backend `echo`") as refusal:
        load_backend("echo")
    assert refusal.value.reason == "duplicate_backend"


def test_a_package_found_twice_on_the_path_claims_once(install: Install) -> None:
    install(*[("echo", "panope_backends.testing:EchoBackend")] * 2)
    assert load_backend("echo").name == "echo"


def test_a_class_can_be_named_without_being_registered() -> None:
    assert load_backend("panope_backends.testing:SlowBackend").name == "slow"
    assert backend_version("panope_backends.testing:SlowBackend") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Backend", "there is no module `no_such_module`"),
        ("panope_backends.testing:Nothing", "module `panope_backends.testing` has no `Nothing`"),
        ("panope_backends.api:ModelFacts", "`panope_backends.api:ModelFacts` is not a backend"),
        ("panope_backends.api:API_VERSION", "is not a backend"),
    ],
)
def test_what_is_no_backend_is_refused(name: str, message: str) -> None:
    with pytest.raises(PreconditionError, match=message):
        load_backend(name)


def test_a_class_that_lacks_what_a_backend_has_is_refused_with_what_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from panope_backends.api import Backend\nclass Begun(Backend):\n    api_version = 1\n"
    (tmp_path / "begun_backend.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PreconditionError, match=r"it lacks the method `load` and the attribute `name`, a text$"):
        load_backend("begun_backend:Begun")


def test_a_module_that_lacks_what_it_needs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy_backend.py").write_text("import package_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="package_that_is_missing"):
        load_backend("needy_backend:Backend")


@pytest.fixture
def written_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a backend whose class has this body and gives its name."""

    def write(body: str) -> str:
        head = "from panope_backends.api import Backend\nclass Dated(Backend):\n    name = 'dated'\n"
        text = f"{head}    {body}\n    load = None\n"
        (tmp_path / "dated_backend.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "dated_backend", raising=False)
        return "dated_backend:Dated"

    return write


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("name = 'silent'", r"does not say as `api_version` which version .*; this Panope runs 2 to 3$"),
        ("api_version = 'one'", r"does not say as `api_version`"),
        ("api_version = True", r"does not say as `api_version`"),
        ("api_version = 4", r"`dated_backend:Dated` was written for version 4 .* runs 2 to 3; install a newer Panope$"),
        ("api_version = 1", r"was written for version 1 .* runs 2 to 3; install a newer version of the backend$"),
    ],
)
def test_a_backend_for_another_version_of_the_contract_is_refused(
    written_for: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    monkeypatch.setattr(plugins, "OLDEST_API_VERSION", 2)
    monkeypatch.setattr(plugins, "API_VERSION", 3)
    with pytest.raises(PreconditionError, match=message) as refusal:
        load_backend(written_for(body))
    assert refusal.value.reason == "unsupported_api_version"


@pytest.mark.parametrize("version", [2, 3])
def test_a_backend_for_a_version_that_panope_still_runs_is_loaded(
    written_for: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(plugins, "OLDEST_API_VERSION", 2)
    monkeypatch.setattr(plugins, "API_VERSION", 3)
    assert load_backend(written_for(f"api_version = {version}")).api_version == version


def test_panopes_own_backends_are_written_for_this_version() -> None:
    assert {load_backend(name).api_version for name in ("cpu", "gguf", "openvino")} == {API_VERSION}
