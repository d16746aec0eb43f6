"""The backend that runs everywhere; the others are measured against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from panope_backends.api import Conversion, Device, Level, LoadedModel, LoadOptions, ModelFacts, Support
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.precision import choose_precision
from panope_backends.engines.torch.devices.cpu import CpuRule
from panope_backends.engines.torch.diffusion.facts import draws
from panope_backends.engines.torch.pretrained import TORCHAO
from panope_backends.engines.torch.torch_backend import TorchBackend, is_step_model
from panope_backends.engines.word_tables.support import word_table_support
from panope_backends.model_facts.word_tables import is_word_table

#: The package that each format needs, and the extra of Panope's that brings it.
_PACKAGES = {
    "safetensors": ("torch", "torch"),
    "pytorch": ("torch", "torch"),
    "onnx": ("onnxruntime", "onnx"),
}

#: Changes when `convert` would write something else for the same model and the same PyTorch.
RECIPE = 2

QUANTIZE_RECIPE = 1
"""As `RECIPE`, of weights in fewer bits."""

INT8_WEIGHTS = "int8wo"
"""torchao's word for weights of 8 bits beside values in floats."""


class CpuBackend(TorchBackend):
    """PyTorch for safetensors, ONNX Runtime for ONNX files; also a `Converter` from one to the other.

    Tables of words are looked up by NumPy.
    """

    name = "cpu"
    rule = CpuRule()

    def devices(self) -> Sequence[Device]:
        """One processor, available where one of the engines is installed."""
        packages = dict(_PACKAGES.values())
        missing = [package for package in packages if find_spec(package) is None]
        return [
            replace(
                device,
                available=len(missing) < len(packages),
                reason=f"not installed: {', '.join(missing)}" if missing else "",
                engine_version=_engine_version(),
            )
            for device in super().devices()
        ]

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for safetensors that transformers knows, and for ONNX."""
        if is_word_table(model):
            return word_table_support(model)
        if model.format not in (*_PACKAGES, TORCHAO):
            return Support(Level.NONE, f"runs {', '.join(_PACKAGES)} and {TORCHAO}, not `{model.format}`")
        package, extra = _PACKAGES.get(model.format, ("torch", "torch"))
        if find_spec(package) is None:
            return Support(Level.NONE, f"`{package}` is not installed: pip install 'panope-serving[{extra}]'")
        if model.format != "onnx":
            return super().supports(model, device)
        if is_step_model(model) or draws(model):
            what = "pipelines that draw" if draws(model) else "decoders"
            return Support(Level.NONE, f"{what} are run from safetensors, not from `{model.format}`")
        return Support(Level.FULL, "ONNX Runtime runs every ONNX model")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads safetensors by transformers, decoders as step models, or `model.onnx` by ONNX Runtime.

        Raises:
            PreconditionError: the format, the device, the precision, a package or a file is not there.
        """
        if is_word_table(model):
            from panope_backends.engines.word_tables.model import load_word_table  # it brings NumPy

            self.rule.open(device)
            return load_word_table(model, folder, options)
        if model.format != "onnx":
            return super().load(model, folder, device, options)
        self.rule.open(device)
        from panope_backends.engines.onnx.model import load_onnx_model  # it brings onnxruntime

        choose_precision(options.precision, ("fp32",), "cpu with ONNX Runtime")
        return load_onnx_model(folder, options.threads)

    def conversions(self) -> Sequence[Conversion]:
        """To ONNX in float32, by PyTorch's exporter, and to weights of 8 bits by torchao."""
        torch = missing_reason("torch", "torch", "transformers")
        missing = torch or missing_reason("build", "onnx", "onnxscript")
        return (
            Conversion(
                ("safetensors", "pytorch"),
                "onnx",
                "fp32",
                f"torch{version_of('torch')}+onnxscript{version_of('onnxscript')}+{RECIPE}",
                reason=missing or missing_reason("onnx", "onnxruntime"),
            ),
            Conversion(
                ("safetensors", "pytorch"),
                TORCHAO,
                INT8_WEIGHTS,
                f"torch{version_of('torch')}+torchao{version_of('torchao')}+{QUANTIZE_RECIPE}",
                reason=torch or missing_reason("torchao", "torchao"),
            ),
        )

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes `model.onnx` or smaller weights; see `onnx_export` and `quantize`."""
        if conversion.format == TORCHAO:
            from panope_backends.engines.torch.quantize import quantize  # it brings torch

            quantize(model, folder, out)
            return
        from panope_backends.engines.torch.onnx_export import export  # it brings torch

        export(model, folder, out)


def _engine_version() -> str:
    packages = dict.fromkeys(package for package, _ in _PACKAGES.values())
    return ", ".join(f"{package} {version_of(package)}".strip() for package in packages)
