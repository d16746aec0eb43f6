"""The backend of Qualcomm's NPU; docs/decisions/0531 has what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
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
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.qnn.files import read_description
from panope_backends.engines.qnn.library import Here, provider_devices, registered
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes
from panope_backends.host.processor_model import processor_name
from panope_backends.model_facts.word_tables import ON_CPU_ALONE, is_word_table

FORMAT = "qnn"
HTP = "HTP"
"""What Qualcomm calls the part of the NPU that runs models: the Hexagon tensor processor."""

PRECISIONS = ("int8", "int16")
"""Of values; weights have 8 bits."""

GENERATE = "generate"

#: Changes when `convert` would write something else for the same model and the same libraries.
RECIPE = 1


class QnnBackend(Backend):
    """Qualcomm's NPU, or its emulator on x86-64 Linux; also a `Converter` of graphs into what it runs."""

    name = "qnn"
    api_version = API_VERSION

    def __init__(self, here: Here | None = None) -> None:
        self._here = here

    def devices(self) -> Sequence[Device]:
        """One NPU, or why there is none."""
        here = self._here or Here.now()
        why, advice = here.missing()
        if why:
            return (Device(self.name, HTP, precisions=PRECISIONS, available=False, reason=why, advice=advice),)
        if here.is_emulated:
            return (
                self._device(
                    f"Qualcomm's NPU, emulated on {processor_name()}",
                    "a program stands in for the NPU: its answers are right, and hundreds of times slower",
                    is_emulated=True,
                ),
            )
        found = [each for each in provider_devices(registered()) if each.device.type.name == "NPU"]
        if not found:
            why = "ONNX Runtime's plug-in for QNN finds no NPU, or its driver is missing"
            return (Device(self.name, HTP, precisions=PRECISIONS, available=False, reason=why),)
        return (self._device(str(found[0].device.metadata.get("Description", "Qualcomm's NPU")), ""),)

    def _device(self, description: str, reason: str, *, is_emulated: bool = False) -> Device:
        return Device(
            self.name,
            HTP,
            description,
            memory_bytes(),
            PRECISIONS,
            reason=reason,
            engine_version=_engine_version(),
            is_emulated=is_emulated,
        )

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for what `convert` wrote."""
        if not device.available:
            return Support(Level.NONE, device.reason)
        if model.format == FORMAT:
            return Support(Level.FULL, "QNN runs models of its own format")
        if is_word_table(model):
            return Support(Level.NONE, ON_CPU_ALONE, is_final=True)
        if model.task == GENERATE:
            return Support(Level.NONE, "QNN runs models of fixed lengths, and decoders grow", is_final=True)
        return Support(Level.NONE, "QNN runs its own format; `panope build --precision w8a16` makes it")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads what `convert` wrote; the compiled graph is kept in the cache folder.

        Raises:
            PreconditionError: the device, a package or a file is missing, the precision is not the model's, or QNN
                refuses it.
        """
        if device != HTP:
            raise PreconditionError(f"qnn has no device `{device}`; it has: {HTP}", reason="unknown_device")
        if model.format != FORMAT:
            raise PreconditionError(f"qnn cannot load the format `{model.format}`", reason="unsupported_format")
        why, advice = (self._here or Here.now()).missing()
        if why:
            raise PreconditionError(f"{why}: {advice}" if advice else why, reason="not_installed")
        from panope_backends.engines.qnn.model import COMPUTED, QnnModel  # it brings onnxruntime

        description = read_description(folder)
        computed = COMPUTED[description.precision]
        if options.precision not in ("", computed):
            raise PreconditionError(
                f"qnn cannot compute in precision `{options.precision}`; this model was converted for {computed}",
                reason="unsupported_precision",
            )
        return QnnModel(description, folder, options.cache_folder, options.threads)

    def conversions(self) -> Sequence[Conversion]:
        """Weights of 8 bits, and values of 16 or 8; never unasked, for the answers are others."""
        torch = missing_reason("torch", "torch", "transformers")
        missing = missing_reason("qnn", "onnxruntime") or missing_reason("build", "onnx", "onnxscript")
        version = f"onnxruntime{version_of('onnxruntime')}+{RECIPE}"
        exported = f"{version}+torch{version_of('torch')}+onnxscript{version_of('onnxscript')}"
        fine = ("fp32", "bf16", "fp16")
        return [
            made
            for precision in ("w8a16", "w8a8")
            for made in (
                Conversion(("safetensors", "pytorch"), FORMAT, precision, exported, fine, reason=missing or torch),
                Conversion(("onnx",), FORMAT, precision, version, fine, reason=missing),
            )
        ]

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes `qnn.json` and the graphs; see `convert`."""
        from panope_backends.engines.qnn.convert import convert  # it brings onnxruntime, and perhaps torch

        convert(model, conversion.precision, folder, out)


def _engine_version() -> str:
    return f"onnxruntime-qnn {version_of('onnxruntime-qnn')}, onnxruntime {version_of('onnxruntime')}"
