"""A server that asks for keys, and the issuer of tokens that it takes."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from joserfc import jwt
from joserfc.jwk import ECKey

from panope_registry.access.key_types import KeySpec
from panope_registry.access.pepper import Peppers
from panope_registry.access.scopes import EVERY_MODEL, ModelPatterns, Scopes
from panope_registry.session import RegistrySession

if TYPE_CHECKING:
    from live_servers import LiveServer


@dataclass
class Locked:
    """A server with `auth = required`, and keys for it.

    Attributes:
        other: may read the audit log, which no method gives.
        issuer: of tokens that it takes.
        told: every answer, for a look for secrets.
    """

    server: LiveServer
    admin: str
    other: str
    issuer: Issuer
    told: list[bytes] = field(default_factory=list)

    def code(self, method: str, key: str, *, envoy: bool) -> grpc.StatusCode:
        """What a raw gRPC call with an empty message ends with."""
        port = self.server.http_port if envoy else self.server.grpc_port
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            try:
                answer = channel.unary_unary(method)(b"", metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                call: Any = error
                self.told.append(f"{call.details()} {call.trailing_metadata()}".encode())
                code: grpc.StatusCode = call.code()
                return code
        self.told.append(answer)
        return grpc.StatusCode.OK

    def http(self, verb: str, path: str, key: str = "", *, port: int | None = None, **headers: str) -> Any:
        sent = {"authorization": f"Bearer {key}"} if key else {}
        body = b"{}" if verb in ("POST", "PUT", "PATCH") else None
        more = {"content-type": "application/json"} if body else {}
        reply = self.server.request(verb, path, body=body, headers=sent | more | headers, port=port)
        self.told += [reply.body, repr(reply.headers).encode()]
        return reply


class Issuer:
    """An OIDC issuer: a key, where it is told, and tokens."""

    def __init__(self) -> None:
        self.signatures: list[str] = []
        self._key = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256", "use": "sig"})
        self.keys = body = json.dumps({"keys": [self._key.as_dict(private=False)]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def token(self, key: ECKey | None = None, **more: object) -> str:
        """A good one of Ada's, unless something else is said of it."""
        claims = {"iss": self.url, "aud": "panope", "sub": "ada", "exp": int(time.time()) + 600, "groups": ["admins"]}
        said = {name: value for name, value in (claims | more).items() if value is not None}
        made = jwt.encode({"alg": "ES256", "kid": "1"}, said, key or self._key)
        self.signatures.append(made.rpartition(".")[2])
        return made

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def make_key(home: Path, name: str, *scopes: str, models: ModelPatterns = EVERY_MODEL) -> str:
    spec = KeySpec(name=name, scopes=Scopes.parse(scopes), models=models)
    with RegistrySession.open(home / "registry.sqlite3", home) as session:
        return str(session.keys.create(spec, peppers=Peppers.open(home, {}), created_by="a test").key)
