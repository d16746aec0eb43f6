"""Shows or validates the configuration that Panope gives Envoy.

python -m panope_envoy              print the configuration of a server with default settings
python -m panope_envoy --validate   have Envoy check it; the exit code is Envoy's
python -m panope_envoy --server a:8001 --server b:8001 --admin a:8002 --admin b:8002
                                    print that of an Envoy of its own before several servers
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from panope_envoy.binary import envoy_path
from panope_envoy.bootstrap import bootstrap
from panope_envoy.options import EdgeOptions


def validate(options: EdgeOptions) -> int:
    """Envoy's verdict; its reasons go to stderr when it has any."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "envoy.json")
        path.write_text(json.dumps(bootstrap(options)))
        command = [str(envoy_path()), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(result.stderr)
    return result.returncode


def main() -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--server", action="append", default=[], help="a server's gRPC address; may be repeated")
    parser.add_argument("--admin", action="append", default=[], help="a server's admin address; may be repeated")
    parser.add_argument("--host", default=EdgeOptions.http_host, help="the address to listen on")
    parser.add_argument("--port", type=int, default=EdgeOptions.http_port, help="the port to listen on")
    parser.add_argument("--envoy-admin-socket", default="envoy.sock", help="the socket of Envoy's own administration")
    given = parser.parse_args()
    if [each.rpartition(":")[0] for each in given.server] != [each.rpartition(":")[0] for each in given.admin]:
        parser.error("each --server has an --admin, in the same order and on the same machine")
    options = EdgeOptions(
        envoy_admin_socket=given.envoy_admin_socket,
        grpc_socket="" if given.server else "grpc.sock",
        servers=tuple(given.server),
        admin_servers=tuple(given.admin),
        http_host=given.host,
        http_port=given.port,
    )
    if given.validate:
        return validate(options)
    json.dump(bootstrap(options), sys.stdout, indent=2)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
