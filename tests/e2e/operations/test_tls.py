"""TLS and client certificates on every port, and new ones in mid-traffic."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from certificates import Authority
from command_line import panope
from panope_client import Client, Health, UnauthenticatedError

SERVING = health_pb2.HealthCheckResponse.SERVING


class Caller:
    """Calls every port of a server, on a new connection each time."""

    def __init__(self, server: Any, trusted: bytes, own: tuple[Path, Path] | None = None) -> None:
        self.server = server
        self.context = ssl.create_default_context(cadata=trusted.decode())
        if own is not None:
            self.context.load_cert_chain(*own)
        certificate, key = (path.read_bytes() for path in own) if own is not None else (None, None)
        self.credentials = grpc.ssl_channel_credentials(trusted, key, certificate)

    def http(self, port: int, path: str = "/health") -> int:
        """The status."""
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=self.context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def grpc(self, port: int) -> int:
        """What the health service says."""
        alone = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(f"localhost:{port}", self.credentials, alone) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
        return int(answer.status)

    def lists_models(self, port: int) -> bool:
        """Whether it may; other answers than no are failures."""
        with Client(f"localhost:{port}", credentials=self.credentials) as client:
            try:
                return list(client.models()) == []
            except UnauthenticatedError:
                return False

    def ready(self) -> bool:
        try:
            return self.http(self.server.admin_port, "/ready") == self.http(self.server.http_port) == 200
        except OSError:
            return False


def ports_of(server: Any) -> tuple[int, int, int]:
    return server.http_port, server.admin_port, server.grpc_port


def shown(port: int) -> bytes:
    """The certificate that new connections of a port see."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", port)))


def started(servers: Any, folder: Path, authority: Authority, **variables: str) -> Any:
    certificate, key = authority.write(folder, "server")
    files = {"PANOPE_TLS_CERTIFICATE": str(certificate), "PANOPE_TLS_KEY": str(key)}
    return servers.start(demo=False, ready=False, **files, **variables)


def test_every_port_speaks_tls_to_every_client_and_nothing_else(empty_servers: Any, tmp_path: Path) -> None:
    authority = Authority()
    server = started(empty_servers, tmp_path, authority)
    caller = Caller(server, authority.pem)
    server.wait(caller.ready, 60, "readiness")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    for port in ports_of(server):
        with pytest.raises((http.client.HTTPException, OSError)):
            server.get("/health", port=port)
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=old)
        with pytest.raises(OSError):
            connection.request("GET", "/health")
        connection.close()

    (tmp_path / "ca.pem").write_bytes(authority.pem)
    curl = ["curl", "--silent", "--cacert", str(tmp_path / "ca.pem"), f"https://localhost:{server.http_port}/v1/models"]
    assert json.loads(subprocess.run(curl, check=True, capture_output=True).stdout)["data"] == []
    for port in (server.grpc_port, server.http_port):
        with Client(f"localhost:{port}", credentials=caller.credentials) as client:
            assert client.health() is Health.SERVING
    config = tmp_path / "panope.toml"
    config.write_text(f'tls.certificate = "{tmp_path}/server.pem"\ntls.key = "{tmp_path}/server-key.pem"\n')
    assert panope("ps", "--home", server.home, "--config", config).out.strip() == "no instance runs"

    # A certificate for another name is the caller's to refuse.
    for port in ports_of(server):
        mismatch = pytest.raises(ssl.SSLCertVerificationError, match="mismatch")
        with socket.create_connection(("localhost", port)) as plain, mismatch:
            caller.context.wrap_socket(plain, server_hostname="other.example")


def test_a_new_certificate_is_taken_up_in_mid_traffic_and_no_call_fails(empty_servers: Any, tmp_path: Path) -> None:
    authority = Authority()
    server = started(empty_servers, tmp_path, authority)
    caller = Caller(server, authority.pem)
    server.wait(caller.ready, 60, "readiness")
    calls: dict[str, Callable[[], object]] = {
        "rest": lambda: caller.http(server.http_port),
        "admin": lambda: caller.http(server.admin_port),
        "grpc": lambda: caller.grpc(server.grpc_port),
        "grpc through Envoy": lambda: caller.grpc(server.http_port),
    }
    stop, failed, counts = threading.Event(), list[object](), Counter[str]()

    def keep_calling(name: str) -> None:
        while not stop.is_set():
            try:
                calls[name]()
            except Exception as error:  # told by the test
                failed.append((name, error))
            counts[name] += 1

    threads = [threading.Thread(target=keep_calling, args=(name,)) for name in calls]
    with grpc.secure_channel(f"localhost:{server.grpc_port}", caller.credentials) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        for thread in threads:
            thread.start()
        for _ in range(2):
            authority.write(tmp_path, "server")
            new = ssl.PEM_cert_to_DER_cert((tmp_path / "server.pem").read_text())
            server.wait(lambda new=new: {*map(shown, ports_of(server))} == {new}, 60, "the new certificate")
            seen = Counter(counts)
            server.wait(lambda seen=seen: all(counts[name] > seen[name] + 2 for name in calls), 60, "calls after it")
        stop.set()
        for thread in threads:
            thread.join(60)
        assert watch.is_active(), "a connection of before goes on"
        watch.cancel()
    assert failed == []
    events = [json.loads(line)["event"] for line in server.log().splitlines() if line.startswith("{")]
    assert events.count("tls_reloaded") >= 2
    assert "PRIVATE KEY" not in server.log()
    assert server.stop() == 0


def test_only_clients_with_a_certificate_of_the_ca_get_in_on_every_port(empty_servers: Any, tmp_path: Path) -> None:
    authority, clients, strangers = Authority(), Authority("clients"), Authority("strangers")
    (tmp_path / "clients.pem").write_bytes(clients.pem)
    variables = {
        "PANOPE_TLS_CLIENT_CA": str(tmp_path / "clients.pem"),
        "PANOPE_AUTH": "required",
        "PANOPE_ACCESS_CERTIFICATE_RULES": "dns:ada.example.org=models:read status:read,cn:bob=models:read",
    }
    server = started(empty_servers, tmp_path, authority, **variables)
    known = Caller(server, authority.pem, clients.write(tmp_path, "ada", hosts=("ada.example.org",)))
    server.wait(known.ready, 60, "readiness")
    bob = Caller(server, authority.pem, clients.write(tmp_path, "bob"))
    named = Caller(server, authority.pem, clients.write(tmp_path, "dns:ada.example.org", hosts=("cn:bob",)))
    for caller, status, models in ((known, 200, 200), (bob, 403, 200), (named, 401, 401)):
        assert caller.http(server.http_port, "/v1/models") == models
        assert caller.http(server.http_port, "/status") == caller.http(server.admin_port, "/status") == status
        for port in (server.grpc_port, server.http_port):
            assert caller.lists_models(port) is (models == 200)
    assert known.grpc(server.grpc_port) == known.grpc(server.http_port) == SERVING

    nobody = Caller(server, authority.pem)
    stranger = Caller(server, authority.pem, strangers.write(tmp_path, "eve"))
    late = Caller(server, authority.pem, clients.write(tmp_path, "late", days=(-9, -1)))
    for caller in (nobody, stranger, late):
        for port in (server.http_port, server.admin_port):
            with pytest.raises(OSError):
                caller.http(port)
        for port in (server.grpc_port, server.http_port):
            with pytest.raises(grpc.RpcError) as refused:
                caller.grpc(port)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    # Another CA of clients takes the place of the first.
    (tmp_path / "new.pem").write_bytes(strangers.pem)
    (tmp_path / "new.pem").rename(tmp_path / "clients.pem")
    server.wait(stranger.ready, 60, "the new CA")
    assert stranger.grpc(server.grpc_port) == SERVING
    with pytest.raises(grpc.RpcError):
        known.grpc(server.grpc_port)
    for port in (server.http_port, server.admin_port):
        with pytest.raises(OSError):
            known.http(port)


def test_a_server_whose_certificate_has_expired_does_not_start_and_tls_is_no_authentication(
    empty_servers: Any, tmp_path: Path
) -> None:
    certificate, key = Authority().write(tmp_path, "late", days=(-9, -1))
    files = {"PANOPE_TLS_CERTIFICATE": str(certificate), "PANOPE_TLS_KEY": str(key)}
    server = empty_servers.start(demo=False, ready=False, **files)
    assert server.process.wait(60) == 1
    assert f"`tls.certificate` ({certificate}): it has expired" in server.log()
    server = empty_servers.start("--host", "0.0.0.0", demo=False, ready=False, **files)
    assert server.process.wait(60) == 1
    assert "asks for no key" in server.log()
