"""The catalogue is what a sweep finds: tried anew, architectures go as far as the committed file says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "registry/panope_registry/catalogue/catalogue.json"

#: In the quick run: encoders, decoders with pages and without, experts, states, texts run anew, images, those that
#: torchvision prepares and in patches, captions, videos, speech, and what is refused.
SAMPLE = (
    *("distilbert", "camembert", "llama", "gptj", "mixtral", "mamba", "t5", "longt5", "vit", "dinov3_vit", "siglip2"),
    *("blip-2", "videomae", "wav2vec2", "openai-gpt"),
)

Key = tuple[str, str]
Line = Mapping[str, Any]


def lines_of(file: Path) -> dict[Key, Line]:
    return {(each["type"], each["task"]): each for each in json.loads(file.read_text())["architectures"]}


def swept(out: Path, types: Sequence[str]) -> dict[Key, Line]:
    """In a process of its own, which forks and has no threads."""
    command = [sys.executable, str(ROOT / "tests/catalogue/sweep.py"), "--again", "--out", str(out), *types]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    return lines_of(out)


def check(found: Mapping[Key, Line]) -> None:
    committed = lines_of(FILE)
    told = {key: [line[name] for name in ("recognised", "loads", "serves")] for key, line in found.items()}
    wanted = {key: [committed[key][name] for name in ("recognised", "loads", "serves")] for key in found}
    assert told == wanted, "run `make catalogue` with the installed versions, and see what changed"


@pytest.mark.timeout(600)
def test_a_sample_goes_as_far_as_the_catalogue_says(tmp_path: Path) -> None:
    found = swept(tmp_path / "found.json", SAMPLE)
    assert {model_type for model_type, _ in found} == set(SAMPLE)
    check(found)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_all_architectures_go_as_far_as_the_catalogue_says(tmp_path: Path) -> None:
    found = swept(tmp_path / "found.json", ())
    assert found.keys() == lines_of(FILE).keys()
    check(found)
