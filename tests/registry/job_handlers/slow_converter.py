"""A converter that tells its process and waits for a file, so that a test can act while it works."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from panope_backends.api import Conversion, ModelFacts
from panope_backends.testing import EchoBackend


class SlowConverter(EchoBackend):
    """Makes `openvino fp32` of GGUF, which nobody else does; TMPDIR is where it tells and waits."""

    name = "slow-converter"

    def conversions(self) -> Sequence[Conversion]:
        return (Conversion(("gguf",), "openvino", "fp32", "1"),)

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        (out / "half").write_bytes(b"begun")
        gate = Path(os.environ["TMPDIR"])
        (gate / f"pid-{os.getpid()}").touch()
        while not (gate / "go").exists():
            time.sleep(0.01)
        (out / "half").unlink()
        (out / "openvino_model.bin").write_bytes(b"weights")
        (out / "openvino_model.xml").write_bytes(b"graph")
