"""Generates Python, Go and descriptor-set output from the protos.

    python protos/generate.py            write the output
    python protos/generate.py --check    exit 1 when the committed output differs from what the protos give

The generators are pinned and run in environments of their own: code from an old generator runs under every newer
protobuf and grpcio runtime, code from a new one refuses older runtimes.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
PYTHON_OUT = Path("protos/gen")
GO_OUT = Path("clients/go/panopev1")
DESCRIPTORS = Path("envoy/panope_envoy/descriptors.binpb")

PYTHON_GENERATORS = [
    "grpcio-tools==1.76.0",
    "mypy-protobuf==3.7.0",
    "googleapis-common-protos==1.72.0",
    "setuptools<81",
]
GO_GENERATORS = {
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.10",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1",
}


def proto_files(under: str = "panope") -> list[str]:
    """Paths of the protos below a folder, relative to the proto root."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / under).rglob("*.proto"))


def protoc(arguments: list[str], *, path: Path | None = None) -> None:
    """Runs the pinned protoc, with `path` searched first for plug-ins."""
    script = (
        "import sys, pathlib, google.api.annotations_pb2 as a, grpc_tools.protoc as p;"
        "common = str(pathlib.Path(a.__file__).parents[2]);"
        "well_known = str(pathlib.Path(p.__file__).parent / '_proto');"
        "sys.exit(p.main(['protoc', '-I', sys.argv[1], '-I', common, '-I', well_known, *sys.argv[2:]]))"
    )
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        sys.exit("protos/generate.py needs uv; `make install` brings it")
    packages = [flag for package in PYTHON_GENERATORS for flag in ("--with", package)]
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    command = [uv, "run", "--quiet", "--isolated", "--no-project", *packages, "python", "-c", script, str(PROTOS)]
    subprocess.run([*command, *arguments], check=True, env=environment, cwd=PROTOS)


def generate_python(root: Path) -> None:
    """Writes messages with type stubs for every proto, and gRPC stubs for the `*_service.proto` files."""
    out = root / PYTHON_OUT
    out.mkdir(parents=True, exist_ok=True)
    protoc([f"--python_out={out}", f"--mypy_out={out}", *proto_files()])
    services = [name for name in proto_files() if name.endswith("_service.proto")]
    protoc([f"--grpc_python_out={out}", f"--mypy_grpc_out={out}", *services])
    for folder in (out / "panope", *sorted(p for p in (out / "panope").rglob("*") if p.is_dir())):
        (folder / "__init__.py").touch()
    (out / "panope" / "py.typed").touch()


def generate_descriptors(root: Path) -> None:
    """Writes the set that Envoy's transcoder reads."""
    out = root / DESCRIPTORS
    out.parent.mkdir(parents=True, exist_ok=True)
    # Every detail type an error can carry must be in the set, or Envoy answers the error with an empty body.
    protoc([f"--descriptor_set_out={out}", "--include_imports", *proto_files(), "google/rpc/error_details.proto"])


def generate_go(root: Path) -> bool:
    """Writes the Go stubs of `panope.v1`; False when this machine has no Go."""
    go = shutil.which("go")
    if go is None:
        return False
    out = root / GO_OUT
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tools:
        for package in GO_GENERATORS.values():
            subprocess.run([go, "install", package], check=True, env={**os.environ, "GOBIN": tools})
        module = "github.com/panope/panope/clients/go/panopev1"
        flags = [
            f"--go_out={out}",
            f"--go_opt=module={module}",
            f"--go-grpc_out={out}",
            f"--go-grpc_opt=module={module}",
        ]
        protoc([*flags, *proto_files("panope/v1")], path=Path(tools))
    return True


def differences(ours: Path, fresh: Path) -> list[str]:
    """Names of the files that differ, or that only one side has."""

    def names(folder: Path) -> set[str]:
        found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return {str(p.relative_to(folder)) for p in found}

    if fresh.is_file():
        same = ours.is_file() and filecmp.cmp(ours, fresh, shallow=False)
        return [] if same else [ours.name]
    missing = names(ours) ^ names(fresh)
    both = names(ours) & names(fresh)
    return sorted(missing | {name for name in both if not filecmp.cmp(ours / name, fresh / name, shallow=False)})


def check() -> int:
    """Compares the committed output with fresh output; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate_python(fresh)
        generate_descriptors(fresh)
        outputs = [PYTHON_OUT, DESCRIPTORS]
        if generate_go(fresh):
            outputs.append(GO_OUT)
        else:
            print("Go stubs not compared: this machine has no Go")
        stale = [f"{out}: {name}" for out in outputs for name in differences(ROOT / out, fresh / out)]
    for line in stale:
        print(f"stale: {line}")
    if stale:
        print("run `make protos`")
    return 1 if stale else 0


def main() -> int:
    """Writes or compares; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        return check()
    shutil.rmtree(ROOT / PYTHON_OUT, ignore_errors=True)
    generate_python(ROOT)
    generate_descriptors(ROOT)
    if not generate_go(ROOT):
        print("Go stubs not written: this machine has no Go")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
