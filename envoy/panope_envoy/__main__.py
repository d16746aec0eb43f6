"""Shows or validates the configuration that Panope gives Envoy.

python -m panope_envoy              print the configuration of a server with default settings
python -m panope_envoy --validate   have Envoy check it; the exit code is Envoy's
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
    options = EdgeOptions(grpc_socket="grpc.sock", envoy_admin_socket="envoy.sock")
    if parser.parse_args().validate:
        return validate(options)
    json.dump(bootstrap(options), sys.stdout, indent=2)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
