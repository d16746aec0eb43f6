"""The backend that runs everywhere; the others are measured against it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from panope_backends.api import (
    API_VERSION,
    Backend,
    Conversion,
    Device,
    Level,
    LoadedModel,
    LoadOptions,
    ModelFacts,
    Support,
)
from panope_backends.engines.host import has_native_bf16, memory_bytes, processor_name, threads_to_use
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.precision import choose_precision
from panope_backends.engines.torch.ctc import ctc_support, is_ctc, load_ctc
from panope_backends.engines.torch.decoder.facts import decoder_support
from panope_backends.engines.torch.encoder_decoder.facts import (
    encoder_decoder_support,
    is_encoder_decoder,
    is_transcriber,
)
from panope_backends.engines.torch.pretrained import TORCH_FORMATS
from panope_backends.engines.torch.transformer import transformer_support
from panope_backends.engines.torch.vision.heads import vision_head, vision_support
from panope_backends.engines.torch.vits import SPEAK, load_vits, speech_support
from panope_backends.errors import PreconditionError

#: The package that each format needs, and the extra of Panope's that brings it.
_PACKAGES = {
    "safetensors": ("torch", "torch"),
    "pytorch": ("torch", "torch"),
    "onnx": ("onnxruntime", "onnx"),
}


GENERATE = "generate"
"""The task whose models are decoders."""

#: Changes when `convert` would write something else for the same model and the same PyTorch.
RECIPE = 2


class CpuBackend(Backend):
    """PyTorch for safetensors, ONNX Runtime for ONNX files; also a `Converter` from one to the other."""

    name = "cpu"
    api_version = API_VERSION
    applies_adapters = True

    def devices(self) -> Sequence[Device]:
        """One processor. fp32 comes first, though bf16 can be faster: this backend is the exact one."""
        packages = dict(_PACKAGES.values())
        missing = [package for package in packages if find_spec(package) is None]
        return (
            Device(
                self.name,
                "CPU",
                processor_name(),
                memory_bytes(),
                _native(),
                available=len(missing) < len(packages),
                reason=f"not installed: {', '.join(missing)}" if missing else "",
                engine_version=_engine_version(),
            ),
        )

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for safetensors that transformers knows, and for ONNX."""
        del device  # there is one
        if model.format not in _PACKAGES:
            return Support(Level.NONE, f"runs {', '.join(_PACKAGES)}, not `{model.format}`")
        package, extra = _PACKAGES[model.format]
        if find_spec(package) is None:
            return Support(Level.NONE, f"`{package}` is not installed: pip install 'panope-serving[{extra}]'")
        if model.format in TORCH_FORMATS:
            if model.task == GENERATE or is_transcriber(model):
                return (encoder_decoder_support if is_encoder_decoder(model.config) else decoder_support)(model)
            if model.task == SPEAK:
                return speech_support(model)
            if is_ctc(model):
                return ctc_support(model)
            head = vision_head(model)
            return transformer_support(model) if head is None else vision_support(model, head)
        if model.task == GENERATE or is_transcriber(model):
            return Support(Level.NONE, f"decoders are run from safetensors, not from `{model.format}`")
        return Support(Level.FULL, "ONNX Runtime runs every ONNX model")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads safetensors by transformers, decoders as step models, or `model.onnx` by ONNX Runtime.

        Raises:
            PreconditionError: the format, the device, the precision, a package or a file is not there.
        """
        if device != "CPU":
            raise PreconditionError(f"cpu has no device `{device}`; it has: CPU", reason="unknown_device")
        threads = threads_to_use(options.threads)
        if model.format in TORCH_FORMATS and (model.task == GENERATE or is_transcriber(model)):
            precision = choose_precision(options.precision, _native(), "cpu with PyTorch")
            choose_precision(options.cache_precision, (precision,), f"cpu's cache beside {precision} with PyTorch")
            return _load_step_model(model, folder, precision, threads, options)
        if model.format in TORCH_FORMATS:
            from panope_backends.engines.torch.model import load_torch_model  # it brings torch

            if model.task == SPEAK:
                choose_precision(options.precision, ("fp32",), "cpu with a model that speaks")
                return load_vits(model, folder, "fp32", threads)
            precision = choose_precision(options.precision, _native(), "cpu with PyTorch")
            if is_ctc(model):
                return load_ctc(model, folder, precision, threads)
            if (head := vision_head(model)) is not None:
                from panope_backends.engines.torch.vision.model import load_vision_model  # it brings torch

                return load_vision_model(model, head, folder, precision, threads)
            return load_torch_model(model, folder, precision, threads)
        if model.format == "onnx":
            from panope_backends.engines.onnx.model import load_onnx_model  # it brings onnxruntime

            choose_precision(options.precision, ("fp32",), "cpu with ONNX Runtime")
            return load_onnx_model(folder, threads)
        raise PreconditionError(f"cpu cannot load the format `{model.format}`", reason="unsupported_format")

    def conversions(self) -> Sequence[Conversion]:
        """To ONNX in float32, by PyTorch's exporter."""
        missing = missing_reason("torch", "torch", "transformers") or missing_reason("build", "onnx", "onnxscript")
        return (
            Conversion(
                ("safetensors", "pytorch"),
                "onnx",
                "fp32",
                f"torch{version_of('torch')}+onnxscript{version_of('onnxscript')}+{RECIPE}",
                reason=missing or missing_reason("onnx", "onnxruntime"),
            ),
        )

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes `model.onnx`; see `onnx_export`."""
        from panope_backends.engines.torch.onnx_export import export  # it brings torch

        del conversion  # there is one
        export(model, folder, out)


def _load_step_model(
    model: ModelFacts, folder: Path, precision: str, threads: int, options: LoadOptions
) -> LoadedModel:
    """A decoder, with an encoder or without; either import brings torch."""
    if is_encoder_decoder(model.config):
        from panope_backends.engines.torch.encoder_decoder.loading import load_encoder_decoder

        return load_encoder_decoder(model, folder, precision, threads)
    from panope_backends.engines.torch.decoder.step_models import load_step_model

    return load_step_model(model, folder, precision, threads, options)


def _engine_version() -> str:
    packages = dict.fromkeys(package for package, _ in _PACKAGES.values())
    return ", ".join(f"{package} {version_of(package)}".strip() for package in packages)


def _native() -> tuple[str, ...]:
    return ("fp32", "bf16") if has_native_bf16() else ("fp32",)
