"""The store's files behind a real Envoy: all that clients of the hub need of a server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from panope_envoy.options import EdgeOptions
from panope_registry.models.published_files import PublishedFiles
from panope_registry.session import RegistrySession
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes


@contextmanager
def hub_edge(home: Path, models: Mapping[str, Path]) -> Iterator[str]:
    """The address of a hub that holds copies of some folders, by the names of their models."""
    url = f"sqlite:///{home / 'registry.sqlite3'}"
    session = RegistrySession.open(url, home)
    for name, folder in models.items():
        session.registry.import_folder(folder, name)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hub")
    thread.start()
    start = asyncio.run_coroutine_threadsafe(_start(home, session.published_files), loop)
    admin, envoy, port = start.result(60)
    yield f"http://127.0.0.1:{port}/hub"
    asyncio.run_coroutine_threadsafe(_stop(admin, envoy), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    session.close()


async def _start(home: Path, serving: PublishedFiles) -> tuple[AdminServer, EnvoyProcess, int]:
    async def status() -> object:
        return {}

    routes = [*file_routes(serving), *hub_routes(serving)]
    admin = AdminServer(admin_app(exposition=bytes, not_ready=dict, status=status, more=routes), "127.0.0.1", 0)
    await admin.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = EdgeOptions(
        grpc_socket=str(home / "grpc.sock"),
        envoy_admin_socket=str(home / "envoy.sock"),
        http_port=port,
        admin_port=admin.port,
    )
    envoy = EnvoyProcess(options, home, home / "envoy.log")
    await envoy.start()
    return admin, envoy, port


async def _stop(admin: AdminServer, envoy: EnvoyProcess) -> None:
    await envoy.stop(grace_seconds=1)
    await admin.stop()
