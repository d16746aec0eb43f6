"""Which addresses are called, by name and in truth, and whose certificates are trusted."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.remote.backend import DEVICE, RemoteBackend
from panope_backends.errors import AvailabilityError, PreconditionError
from panope_backends.upstreams.description import FILE, FORMAT, checked_upstream
from panope_backends.upstreams.network import CheckedNetwork
from scripted_server import Script, http

MODELS = b'{"data": [{"id": "m", "max_model_len": 77}]}'


def test_a_model_that_the_server_lists_is_loaded_with_what_it_tells(script: Script, load: Any) -> None:
    script.reply("/models", http(200, MODELS))
    assert load().max_positions == 77


def test_a_server_without_a_list_is_taken_as_it_is(load: Any) -> None:
    assert load().max_positions == 0


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (http(200, b'{"data": [{"id": "other"}]}'), PreconditionError),
        (http(401), PreconditionError),
        (http(200, b"<html>"), AvailabilityError),
        (http(500), AvailabilityError),
    ],
)
def test_a_server_that_is_not_right_is_not_loaded(
    script: Script, load: Any, reply: bytes, kind: type[Exception]
) -> None:
    script.reply("/models", reply)
    threads = threading.active_count()
    with pytest.raises(kind):
        load()
    assert not [each for each in threading.enumerate() if each.name == "remote"], threads


def test_a_server_that_is_not_there_is_unavailable(load: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AvailabilityError, match="cannot be reached"):
        load(base=f"http://127.0.0.1:{port}", max_attempts=1)


def test_without_settings_nobody_is_called(script: Script, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(checked_upstream(f"http://127.0.0.1:{script.port}", "openai", "m").to_json())
    with pytest.raises(PreconditionError, match=r"remote\.allowed_hosts"):
        RemoteBackend().load(ModelFacts("a/b", FORMAT, "generate"), tmp_path, DEVICE, LoadOptions())
    assert not script.asked


def test_a_listed_name_that_leads_to_this_machine_is_not_called_unless_the_settings_say_so(
    script: Script, load: Any
) -> None:
    script.reply("/models", http(200, MODELS))
    there = f"http://localhost:{script.port}"
    with pytest.raises(PreconditionError, match=r"remote\.private_addresses"):
        load(base=there)
    assert not script.asked
    assert load(base=there, private_addresses=True).max_positions == 77


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(script: Script) -> None:
    """A name that leads to a public address, and to this machine when it is asked again, leads nobody here."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    called: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    class Recorder(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, *arguments: Any, **more: Any) -> httpcore2.AsyncNetworkStream:
            called.append(host)
            raise httpcore2.ConnectError

    network = CheckedNetwork(private=False, resolve=resolve)
    network._network = Recorder()
    with pytest.raises(httpcore2.ConnectError):
        await network.connect_tcp("rebinds.example", 80)
    assert called == ["93.184.216.34"]
    with pytest.raises(PreconditionError):
        await network.connect_tcp("rebinds.example", 80)
    assert called == ["93.184.216.34"]


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine that no authority has given, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "authority.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, private)
    (folder / "server.pem").write_bytes(file.read_bytes() + key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return file, context


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The certificate and the port of a server that speaks TLS."""
    file, context = certificate(tmp_path)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(4096)
                    stream.sendall(http(200, MODELS, "connection: close"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield file, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_certificate_must_be_of_an_authority_that_is_trusted(encrypted: tuple[Path, int], load: Any) -> None:
    file, port = encrypted
    there = f"https://127.0.0.1:{port}"
    with pytest.raises(PreconditionError, match=r"remote\.ca_file"):
        load(base=there)
    assert load(base=there, ca_file=str(file)).max_positions == 77
    with pytest.raises(PreconditionError, match=r"remote\.ca_file"):
        load(base=there, ca_file=str(file.parent / "none.pem"))


def test_a_key_goes_to_its_host(script: Script, load: Any) -> None:
    from panope_backends.upstreams.access import Secret

    script.reply("/models", http(200, MODELS))
    load(api_key=Secret("sk-1"))
    assert "authorization: Bearer sk-1" in script.asked[-1].head
    assert "sk-1" not in repr(Secret("sk-1"))
