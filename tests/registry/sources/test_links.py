"""Ways to the hub: what a person is told when there is none, proxies, and certificates."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from panope_backends.errors import AvailabilityError, InvalidInputError, NotFoundError, PanopeError, PreconditionError
from panope_registry.sources.hub import HubSource
from panope_registry.sources.links import UNTRUSTED
from panope_registry.sources.source import RemoteRevision
from panope_registry.testing import HubStandIn

NAME = "vendor/model"
LARGE, SMALL = "model.safetensors", "config.json"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def problem_of(source: HubSource) -> PanopeError:
    """What asking for a repo ends in."""
    with pytest.raises(PanopeError) as caught:
        source.resolve(NAME)
    source.close()
    assert caught.value.message.isprintable()
    return caught.value


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_host_that_takes_no_connection_is_named() -> None:
    port = free_port()
    error = problem_of(HubSource(f"http://127.0.0.1:{port}/of/a/mirror"))
    assert (error.message, error.reason) == (
        f"no connection to `127.0.0.1:{port}` could be made",
        "source_unavailable",
    )


def test_a_name_that_cannot_be_resolved_is_told() -> None:
    error = problem_of(HubSource("https://no-such-host.invalid"))
    assert (error.message, error.reason) == (
        "the name of `no-such-host.invalid` cannot be resolved",
        "source_unavailable",
    )


@pytest.mark.parametrize(
    ("fault", "told"), [("stall", "`{}` stopped sending"), ("drop_after", "the connection to `{}` broke")]
)
def test_a_host_that_stops_sending_or_breaks_off_is_named(hub: HubStandIn, fault: str, told: str) -> None:
    revision = RemoteRevision(NAME, hub.add(NAME, {LARGE: bytes(1 << 18)}))
    hub.fault(fault, bytes=1000)
    with httpx2.Client(timeout=0.3) as client:
        source = HubSource(hub.endpoint, client=client)
        with pytest.raises(AvailabilityError) as caught, source.open(revision, LARGE) as stream:
            list(stream.chunks())
    assert caught.value.message == told.format(hub.cdn_endpoint.removeprefix("http://"))


@pytest.mark.parametrize("endpoint", ["http://user:secret@hub.example", "http://:secret@hub.example"])
def test_an_endpoint_with_a_password_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        HubSource(endpoint)
    assert "secret" not in caught.value.message


def test_a_gated_repo_names_the_page_of_its_terms(hub: HubStandIn, source: HubSource) -> None:
    commit = hub.add(NAME, {SMALL: b"{}"}, gated=True)
    with (
        pytest.raises(PanopeError, match=f"accept its terms at {hub.endpoint}/{NAME}, and"),
        source.open(RemoteRevision(NAME, commit), SMALL),
    ):
        pass


def test_a_repo_that_is_not_there_is_told_with_the_host(hub: HubStandIn, source: HubSource) -> None:
    with pytest.raises(NotFoundError, match=f"`{hub.endpoint.removeprefix('http://')}` has no such repo"):
        source.resolve(NAME)


def test_a_proxy_of_the_environment_is_asked_for_names_that_it_alone_knows(
    hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(NAME, {SMALL: b"{}"})
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    source = HubSource("http://hub.invalid", token="hf_secret")
    revision = source.resolve(NAME)
    assert revision.commit == commit
    with source.open(revision, SMALL) as stream:
        assert b"".join(stream.chunks()) == b"{}"
    assert all(request.path.startswith("http://hub.invalid/") for request in hub.requests)
    hub.fault("redirect", location="http://store.invalid/no")
    with pytest.raises(AvailabilityError, match=r"`store\.invalid`"), source.open(revision, LARGE):
        pass
    source.close()
    last = hub.requests[-1]
    assert (last.path, "authorization" in last.headers) == ("http://store.invalid/no", False)


def test_a_proxy_is_no_way_into_this_network(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.add(NAME, {LARGE: b"x"})
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    source = HubSource("http://hub.invalid")
    with (
        pytest.raises(AvailabilityError, match="inside this network"),
        source.open(RemoteRevision(NAME, commit), LARGE),
    ):
        pass
    source.close()


def test_a_proxy_that_is_down_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    error = problem_of(HubSource("https://hub.invalid"))
    assert error.message == "no connection to `hub.invalid` through the proxy that the environment names could be made"


def test_a_proxy_that_refuses_is_told_as_such(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", hub.endpoint)  # which knows no CONNECT
    error = problem_of(HubSource("https://hub.invalid"))
    assert error.message == "the proxy that the environment names gives no way to `hub.invalid`"


def test_no_proxy_goes_straight(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.add(NAME, {SMALL: b"{}"})
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    source = HubSource(hub.endpoint)
    assert source.resolve(NAME).commit == commit
    source.close()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SSL_CERT_FILE", "/nowhere/roots.pem", "invalid_certificates"),
        ("HTTPS_PROXY", "gopher://proxy.example", "invalid_proxy"),
        ("ALL_PROXY", "socks5://proxy.example", "invalid_proxy"),
    ],
)
def test_a_variable_that_cannot_be_used_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(PreconditionError, match=variable) as caught:
        HubSource("https://hub.example")
    assert (caught.value.reason, value in caught.value.message) == (reason, False)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "authority.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


@pytest.fixture
def tls_endpoint(hub: HubStandIn, authority: Path) -> str:
    """The stand-in by https."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    hub.encrypt(context)
    return hub.endpoint.replace("http:", "https:")


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_endpoint: str) -> None:
    error = problem_of(HubSource(tls_endpoint))
    assert error.reason == UNTRUSTED
    assert "SSL_CERT_FILE" in error.message


def test_a_certificate_of_an_own_authority_is_trusted(
    hub: HubStandIn, tls_endpoint: str, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(NAME, {SMALL: b"{}"})
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    source = HubSource(tls_endpoint)
    assert source.resolve(NAME).commit == commit
    source.close()
