"""Makes smaller GGUF files of large ones. It runs none: that is a backend's work of its own.

The plain kinds are made by the `gguf` package, the K-quants by `llama-quantize`, a program of llama.cpp that is looked
for on PATH; docs/decisions/0106 tells why.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from panope_backends.api import (
    API_VERSION,
    Backend,
    Conversion,
    Device,
    Level,
    LoadOptions,
    ModelFacts,
    Support,
    TensorModel,
)
from panope_backends.engines.llama_cpp.program import PROGRAM
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.errors import PreconditionError

#: Kinds that the `gguf` package writes, best first.
PLAIN = ("q8_0", "q5_1", "q5_0", "q4_1", "q4_0")

#: Kinds that llama.cpp's own program writes, best first.
MIXED = ("q6_k", "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s", "q3_k_l", "q3_k_m", "q3_k_s", "q2_k")

#: Changes when `convert` would write something else for the same model and the same tools.
RECIPE = 1

_SOURCE_PRECISIONS = ("fp32", "bf16", "fp16")


class GgufBackend(Backend):
    """A `Converter` without devices."""

    name = "gguf"
    api_version = API_VERSION

    def devices(self) -> Sequence[Device]:
        """None."""
        return ()

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """NONE."""
        del model, device
        return Support(Level.NONE, "this backend makes GGUF files and runs none")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        """Refuses.

        Raises:
            PreconditionError: always.
        """
        raise PreconditionError("the backend `gguf` makes GGUF files and runs none", reason="unsupported_model")

    def conversions(self) -> Sequence[Conversion]:
        """From weights of 16 or 32 bits to quantized ones."""
        plain, missing = f"gguf{version_of('gguf')}+{RECIPE}", missing_reason("build", "gguf")
        mixed = f"{PROGRAM}+{RECIPE}"
        absent = "" if shutil.which(PROGRAM) else f"`{PROGRAM}` of llama.cpp is not on PATH: install llama.cpp"
        kinds = [(kind, plain, missing) for kind in PLAIN] + [(kind, mixed, absent) for kind in MIXED]
        return [
            Conversion(("gguf",), "gguf", kind, engine, source_precisions=_SOURCE_PRECISIONS, reason=reason)
            for kind, engine, reason in kinds
        ]

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes one `.gguf` file; see `llama_cpp.quantize` and `llama_cpp.program`."""
        del model  # the file tells everything
        files = sorted(folder.rglob("*.gguf"))
        if not files:
            raise PreconditionError("the model has no GGUF file", reason="missing_file")
        file = out / f"model-{conversion.precision}.gguf"
        if conversion.precision in PLAIN:
            from panope_backends.engines.llama_cpp.quantize import quantize  # it brings the package

            quantize(files, conversion.precision, file)
        else:
            from panope_backends.engines.llama_cpp.program import quantize_by_program

            quantize_by_program(files, conversion.precision, file)
