"""What the package shows."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import panope_client
from panope_client import AsyncClient, Client
from panope_client.channel import options_for


def public(kind: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(f) for name, f in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}


def test_the_two_clients_have_the_same_calls() -> None:
    ours, theirs = public(Client), public(AsyncClient)

    assert ours.keys() == theirs.keys()
    for name, signature in ours.items():
        assert list(signature.parameters) == list(theirs[name].parameters), name
        assert [p.default for p in signature.parameters.values()] == [
            p.default for p in theirs[name].parameters.values()
        ], name


def test_every_error_is_exported() -> None:
    errors = {
        name
        for name, kind in vars(panope_client.errors).items()
        if inspect.isclass(kind) and issubclass(kind, panope_client.PanopeClientError)
    }
    assert errors <= set(panope_client.__all__)


def test_importing_the_client_brings_nothing_heavy() -> None:
    program = "import sys, panope_client; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    heavy = {"torch", "transformers", "openvino", "sqlalchemy", "pydantic", "panope_server", "panope_backends"}
    assert not heavy & set(imported.split())


@pytest.mark.parametrize("address", ["localhost:8001", "127.0.0.1:8001", "[::1]:8001"])
def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(address: str) -> None:
    assert ("grpc.enable_http_proxy", 0) in options_for(address)


@pytest.mark.parametrize("address", ["example.org:8001", "10.0.0.1:8001", "unix:/run/panope", "dns:///panope:8001"])
def test_a_proxy_of_the_environment_is_kept_for_other_machines(address: str) -> None:
    assert "grpc.enable_http_proxy" not in dict(options_for(address))


def test_a_url_is_refused_with_the_right_form() -> None:
    with pytest.raises(ValueError, match="HOST:PORT, not a URL"):
        Client("http://localhost:8001")
