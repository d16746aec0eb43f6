"""The backend of OpenVINO: runs its own format, and turns safetensors into it.

One stream over all cores and shapes left dynamic: docs/decisions/0101 has the measurements.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from panope_backends.engines.onnx.files import model_file
from panope_backends.engines.openvino.compiled_graphs import checked_graphs
from panope_backends.engines.openvino.encoder_decoder.load import load_encoder_decoder
from panope_backends.engines.openvino.encoder_decoder.model import CACHE_PRECISION
from panope_backends.engines.openvino.encoder_decoder.support import encoder_decoder_refusal
from panope_backends.engines.openvino.missing import missing_devices, pci_address
from panope_backends.engines.openvino.model import OpenVinoModel
from panope_backends.engines.openvino.paged.geometry import CACHE_PRECISIONS
from panope_backends.engines.openvino.paged.load import load_step_model
from panope_backends.engines.openvino.runtime import import_runtime
from panope_backends.engines.openvino.tables import read_tables
from panope_backends.engines.openvino.vision.files import NOT_CONVERTED, heads_of
from panope_backends.engines.openvino.vits import VITS, load_vits
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.precision import choose_precision
from panope_backends.engines.torch.audio.classifier import is_audio_classifier
from panope_backends.engines.torch.audio.ctc import ctc_support, is_ctc
from panope_backends.engines.torch.audio.speaking import SPEAK
from panope_backends.engines.torch.decoder.facts import has_vision
from panope_backends.engines.torch.encoder.table_reader import is_table_reader
from panope_backends.engines.torch.encoder_decoder.facts import is_encoder_decoder
from panope_backends.engines.torch.pretrained import TORCH_FORMATS, unknown_type
from panope_backends.engines.torch.torch_backend import is_step_model
from panope_backends.engines.torch.vision.heads import vision_head
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes
from panope_backends.host.processors import is_one_thread, threads_to_use
from panope_backends.model_facts.audio_models import audio_input
from panope_backends.model_facts.image_models import classifies_videos, looks_at_patches
from panope_backends.model_facts.word_tables import ON_CPU_ALONE, is_word_table

MODEL_FILE = "openvino_model.xml"

#: Changes when `convert` would write something else for the same model and the same OpenVINO.
RECIPE = 4

#: Panope's precisions, fastest first, with OpenVINO's names among a device's capabilities and of its hint.
_PRECISIONS = (("bf16", "BF16", "bf16"), ("fp16", "FP16", "f16"), ("fp32", "FP32", "f32"))
_HINTS = {precision: hint for precision, _, hint in _PRECISIONS}

_MEMORY = {"GPU": "GPU_DEVICE_TOTAL_MEM_SIZE", "NPU": "NPU_DEVICE_TOTAL_MEM_SIZE"}
_DRIVERS = {"NPU": "NPU_DRIVER_VERSION"}


OV_DEVICE = "OV_DEVICE"
"""The variable that says which devices may be used, such as `CPU`, or `GPU.1,CPU`; without it all of them."""


class OpenVinoBackend(Backend):
    """OpenVINO on processors, Intel GPUs and NPUs; also a `Converter`."""

    name = "openvino"
    api_version = API_VERSION
    applies_adapters = True

    def __init__(self) -> None:
        self._kept_core: Any = None

    def devices(self) -> Sequence[Device]:
        """What OpenVINO finds and `OV_DEVICE` leaves.

        Precisions are those that it lists as native, for it accepts others and crawls.
        """
        try:
            found = list(self._core().available_devices)
        except PreconditionError as error:
            return (Device(self.name, "CPU", available=False, reason=error.message),)
        used = self._names()
        return (*(self._device(name, found) for name in used), *self._unused(found, used))

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for OpenVINO's format on processors; PARTIAL for voices in ONNX, compiled when they are loaded."""
        if not device.available:
            return Support(Level.NONE, device.reason)
        if model.format in TORCH_FORMATS and (why := _conversion_refusal(model)):
            return Support(Level.NONE, why, is_final=True)
        if _is_voice_graph(model) and device.name.startswith("CPU"):
            return Support(Level.PARTIAL, "OpenVINO compiles the graph of a voice anew each time that it is loaded")
        if model.format != "openvino":
            return Support(Level.NONE, f"OpenVINO runs its own format; `{model.format}` is converted first")
        if is_step_model(model):
            return _generate_support(model, device)
        if device.name.startswith("NPU"):
            return Support(Level.NONE, "OpenVINO's NPU needs fixed shapes, and texts have any length")
        if device.name.startswith("GPU"):
            return Support(Level.PARTIAL, "OpenVINO's GPU compiles each new shape at its first call")
        return Support(Level.FULL, "OpenVINO runs its own format on every processor")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads `openvino_model.xml`, or `openvino_text_model.xml` for the part of a model of images that reads texts.

        Of a voice of phonemes it loads `model.onnx`. A decoder becomes a step model, everything else a tensor model.

        Raises:
            PreconditionError: a file, the device or the precision is missing, or OpenVINO refuses the model.
        """
        path = _file_of(model, folder)
        if not path.is_file():
            raise PreconditionError(f"the model has no file `{path.name}`", reason="missing_file")
        if device not in self._names():
            known = ", ".join(self._names())
            raise PreconditionError(f"OpenVINO has no device `{device}`; it has: {known}", reason="unknown_device")
        try:
            with checked_graphs(options.cache_folder) as cache_folder:
                options = replace(options, cache_folder=cache_folder)
                if is_step_model(model):
                    return _load_generator(path, device, self._native(device), options, model)
                return self._load_tensors(path, device, options, model, folder)
        except RuntimeError as error:
            raise PreconditionError(f"OpenVINO refuses the model on {device}", reason="load_failed") from error

    def _load_tensors(
        self, path: Path, device: str, options: LoadOptions, model: ModelFacts, folder: Path
    ) -> LoadedModel:
        core = self._core()
        # Halves of a waveform's numbers are heard.
        native = ("fp32",) if model.task == SPEAK else self._native(device)
        precision = choose_precision(options.precision, native, f"openvino on {device}")
        configuration = _configuration(device, precision, options)

        def graph(file: Path) -> OpenVinoModel:
            tables = read_tables(import_runtime(), core, core.read_model(file))
            return OpenVinoModel(lambda: core.compile_model(file, device, configuration), precision, tables)

        if model.task == SPEAK and not _is_voice_graph(model):
            return load_vits(graph, folder, model.config)
        return graph(path)

    def conversions(self) -> Sequence[Conversion]:
        """To OpenVINO's format in float32; to weights of 16 bits, and of 8 and 4 by NNCF."""
        engine = f"{version_of('openvino')}+{RECIPE}"
        missing = missing_reason("openvino", "openvino") or missing_reason("torch", "torch", "transformers")
        exact = Conversion(("safetensors", "pytorch"), "openvino", "fp32", engine, automatic=True, reason=missing)
        smaller = replace(
            exact,
            source_formats=("openvino", "safetensors", "pytorch"),
            source_precisions=("fp32", "bf16", "fp16"),
            engine_version=f"{engine}+nncf{version_of('nncf')}",
            automatic=False,
            reason=missing or missing_reason("build", "nncf"),
        )
        half = replace(
            smaller, precision="fp16", source_precisions=("fp32", "bf16"), engine_version=engine, reason=missing
        )
        return (exact, half, *(replace(smaller, precision=precision) for precision in ("int8", "int4")))

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes `openvino_model.xml` and `.bin`; see `audio`, `convert`, `compress`, `paged` and `vision.convert`."""
        if is_step_model(model):
            kind = "encoder_decoder" if is_encoder_decoder(model.config) else "paged"
            made = importlib.import_module(f"panope_backends.engines.openvino.{kind}.convert")  # it brings torch
            made.convert(model, conversion.precision, folder, out / MODEL_FILE)
        elif is_ctc(model) or is_audio_classifier(model):
            from panope_backends.engines.openvino.audio import convert_audio  # it brings torch

            convert_audio(model, conversion.precision, folder, out / MODEL_FILE)
        elif model.task == SPEAK:
            from panope_backends.engines.openvino.vits_convert import convert_vits  # it brings torch

            convert_vits(model, conversion.precision, folder, out)
        elif vision_head(model) is not None:
            from panope_backends.engines.openvino.vision.convert import convert_vision  # it brings torch

            convert_vision(model, conversion.precision, folder, out)
        elif conversion.precision == "fp32":
            from panope_backends.engines.openvino.convert import convert  # it brings torch

            convert(model, folder, out / MODEL_FILE)
        else:
            from panope_backends.engines.openvino.compress import compress  # it brings torch

            compress(model, conversion.precision, folder, out / MODEL_FILE)

    def device_memory_bytes(self, device: str) -> int | None:
        """Of GPUs, as OpenVINO counts it; what it has of the machine's memory is told by the process."""
        if device.partition(".")[0] != "GPU":
            return None
        told = self._core().get_property(device, "GPU_MEMORY_STATISTICS")
        return sum(int(size) for kind, size in told.items() if kind != "usm_host")

    def _core(self) -> Any:
        if self._kept_core is None:
            self._kept_core = import_runtime().Core()
        return self._kept_core

    def _names(self) -> list[str]:
        """The devices that may be used, those that `OV_DEVICE` names first first."""
        found = list(self._core().available_devices)
        return (
            list(dict.fromkeys(name for wanted in _requested() for name in _of(wanted, found)))
            if _requested()
            else found
        )

    def _unused(self, found: Sequence[str], used: Sequence[str]) -> Sequence[Device]:
        """Those that are missing, or that `OV_DEVICE` hides."""
        lacking = f"the variable {OV_DEVICE} names it, and OpenVINO has: {', '.join(found)}"
        hiding = f"the variable {OV_DEVICE} names {', '.join(_requested())}"
        told = [
            *((wanted, lacking) for wanted in _requested() if not _of(wanted, found)),
            *((name, hiding) for name in found if name not in used),
        ]
        absent = [
            Device(self.name, name, available=False, reason=reason, advice=_advice(name)) for name, reason in told
        ]
        named = {device.name for device in absent}
        return [*absent, *(each for each in missing_devices(self.name, found) if each.name not in named)]

    def _device(self, name: str, found: Sequence[str]) -> Device:
        try:
            return self._described(name, found)
        except RuntimeError:
            traceback.print_exc()
            why = "OpenVINO finds it, and its driver does not say what it is; the log has the cause"
            return Device(self.name, name, available=False, reason=why)

    def _described(self, name: str, found: Sequence[str]) -> Device:
        core = self._core()
        kind = name.partition(".")[0]
        told = core.get_property(name, "SUPPORTED_PROPERTIES")
        memory = memory_bytes() if kind == "CPU" else 0
        if kind in _MEMORY and _MEMORY[kind] in told:
            memory = int(core.get_property(name, _MEMORY[kind]))
        driver = str(core.get_property(name, _DRIVERS[kind])) if _DRIVERS.get(kind) in told else ""
        return Device(
            self.name,
            name,
            str(core.get_property(name, "FULL_DEVICE_NAME")).strip(),
            memory,
            self._native(name),
            engine_version=version_of("openvino"),
            driver_version=driver,
            pci_address=pci_address(name, found),
        )

    def _native(self, device: str) -> tuple[str, ...]:
        listed = self._core().get_property(device, "OPTIMIZATION_CAPABILITIES")
        return tuple(precision for precision, capability, _ in _PRECISIONS if capability in listed) or ("fp32",)


def _is_voice_graph(model: ModelFacts) -> bool:
    """Whether a model is a graph that speaks phonemes, which `panope.json` describes: OpenVINO reads ONNX itself."""
    return model.format == "onnx" and model.task == SPEAK


def _file_of(model: ModelFacts, folder: Path) -> Path:
    return model_file(folder) if _is_voice_graph(model) else folder / heads_of(model).get(model.head, MODEL_FILE)


def _conversion_refusal(model: ModelFacts) -> str:
    """Why no job can make OpenVINO's format of a model of PyTorch; empty where one may."""
    if is_word_table(model):
        return ON_CPU_ALONE
    if unknown := unknown_type(model):
        return unknown
    head = vision_head(model)
    if head is not None and head.kind in NOT_CONVERTED:
        return "OpenVINO's converter lacks operations of such detectors"
    if head is not None and classifies_videos(model.config):
        return "models that classify videos are not converted to OpenVINO's format"
    if head is not None and looks_at_patches(model.config):
        return "models that take patches of images of any shape are not converted to OpenVINO's format"
    if is_table_reader(model):
        return "models that answer questions about tables are not converted to OpenVINO's format"
    if is_ctc(model) and (support := ctc_support(model)).level is Level.NONE:
        return support.reason
    if model.task == SPEAK and model.config.get("model_type") != VITS:
        return f"of models that speak those of the type `{VITS}` are converted to OpenVINO's format"
    if is_audio_classifier(model) and audio_input(model.config).has_mask:
        return "models of audio whose extractor pads are not converted to OpenVINO's format"
    return ""


def _generate_support(model: ModelFacts, device: Device) -> Support:
    if not device.name.startswith("CPU"):
        return Support(Level.NONE, "decoders run on processors; OpenVINO's other devices are not tried yet")
    if is_encoder_decoder(model.config):
        if refusal := encoder_decoder_refusal(model):
            return Support(Level.NONE, refusal)
        return Support(Level.FULL, "OpenVINO runs the encoder, and the decoder over blocks of its cache")
    if refusal := paging_refusal(model.config):
        return Support(Level.NONE, refusal)
    if has_vision(model.config):
        return Support(Level.PARTIAL, "OpenVINO runs the decoder alone: its images are read by the backend `cpu`")
    return Support(Level.FULL, "OpenVINO runs decoders with paged attention on every processor")


def _load_generator(
    path: Path, device: str, native: Sequence[str], options: LoadOptions, model: ModelFacts
) -> LoadedModel:
    if device != "CPU":
        raise PreconditionError("decoders run on processors alone", reason="unknown_device")
    where = f"openvino on {device}"
    if is_one_thread(options.threads):
        # Joined queries, keys and values in bf16 divide the work by threads and end the process with one (2026.4, AMX).
        native, where = ("fp32",), f"{where} with one thread"
    precision = choose_precision(options.precision, native, where)
    if is_encoder_decoder(model.config):
        choose_precision(
            options.cache_precision, (CACHE_PRECISION,), f"openvino's cache of encoder-decoders on {device}"
        )
        configuration = _configuration(device, precision, options)
        return load_encoder_decoder(import_runtime(), path, configuration, precision)
    cache = choose_precision(
        options.cache_precision, CACHE_PRECISIONS[precision], f"openvino's cache beside {precision} on {device}"
    )
    configuration = _configuration(device, precision, options)
    return load_step_model(import_runtime(), path, configuration, precision=precision, cache_precision=cache)


def _advice(name: str) -> str:
    """What helps who names a plug-in of OpenVINO's that chooses among devices: Panope does that itself."""
    chooses = name.partition(":")[0] in ("AUTO", "MULTI", "HETERO", "BATCH")
    return f"name devices in {OV_DEVICE}, such as `GPU,CPU`, or unset it: Panope chooses" if chooses else ""


def _requested() -> list[str]:
    """What `OV_DEVICE` names, each once and in letters that can be shown; empty where it is not set."""
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in os.environ.get(OV_DEVICE, "")
    )
    named = (part.strip().upper() for part in shown.split(","))
    return list(dict.fromkeys(name for name in named if name))


def _of(wanted: str, found: Sequence[str]) -> list[str]:
    """The devices that a name means: `GPU` is every GPU, `GPU.1` the second; the only one is called `GPU` too."""
    return [name for name in found if wanted in (name, name.partition(".")[0]) or wanted == f"{name}.0"]


def _configuration(device: str, precision: str, options: LoadOptions) -> dict[str, object]:
    configuration: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",  # one stream over all cores
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    if options.cache_folder is not None:
        # OPTIMIZE_SIZE keeps the compiled graph without the weights: 0.4 MB instead of 90, and as quick to start.
        configuration |= {"CACHE_DIR": str(options.cache_folder), "CACHE_MODE": "OPTIMIZE_SIZE"}
    if device == "CPU":
        # Pinned, the threads of several workers would share the first cores and leave the rest idle.
        configuration["ENABLE_CPU_PINNING"] = False
        if threads := threads_to_use(options.threads):
            configuration["INFERENCE_NUM_THREADS"] = threads
    return configuration
