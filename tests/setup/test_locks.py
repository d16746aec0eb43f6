"""The locked lists of versions that `make install` and `make dev` use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LOCKS = Path(__file__).resolve().parents[2] / "locks"


@pytest.mark.parametrize("name", ["serve.txt", "dev.txt"])
def test_every_version_is_pinned_with_hashes_and_no_host_is_named(name: str) -> None:
    text = (LOCKS / name).read_text()
    entries = re.findall(
        r"^([a-z0-9._-]+)==\S+(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    names = re.findall(r"^([a-z0-9][a-z0-9._-]*)", text, re.MULTILINE)
    assert [entry[0] for entry in entries] == names
    assert len(names) > 40
    assert "://" not in text
    assert "index-url" not in text


def test_the_developers_list_repeats_the_servers_versions() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==[^\\ ]+", (LOCKS / name).read_text(), re.MULTILINE))

    assert pins("serve.txt") <= pins("dev.txt")


def test_another_build_of_torch_leaves_out_torch_and_what_comes_with_its_cuda_build() -> None:
    command = [
        sys.executable,
        str(LOCKS / "without.py"),
        str(LOCKS / "serve.txt"),
        "torch",
        "torchvision",
        "nvidia-*",
        "cuda-*",
        "triton",
    ]
    rest = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"^([a-z0-9._-]+)==", rest, re.MULTILINE))
    assert {"numpy", "openvino", "transformers"} <= names
    assert not any(
        name in ("torch", "torchvision", "triton") or name.startswith(("nvidia-", "cuda-")) for name in names
    )
    assert rest.count("\n") == len(rest.splitlines())
