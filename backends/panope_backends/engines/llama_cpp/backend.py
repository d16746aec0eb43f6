"""The backend of llama.cpp: runs GGUF files on processors, and on GPUs where the installed build has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from panope_backends.api import API_VERSION, Backend, Device, Level, LoadOptions, ModelFacts, Support, TokenModel
from panope_backends.engines.host import memory_bytes, processor_name, threads_to_use
from panope_backends.engines.llama_cpp.gguf_header import GgufHeader, read_header
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import PreconditionError

#: Memory for keys and values of all slots together.
CACHE_BYTES = 1 << 30

MAX_SLOTS = 8

#: llama.cpp rounds the positions of a slot up to a multiple of this.
_STEP = 256


class LlamaCppBackend(Backend):
    """llama.cpp by the `xllamacpp` package."""

    name = "llama-cpp"
    api_version = API_VERSION

    def devices(self) -> Sequence[Device]:
        """The processor."""
        reason = missing_reason("llama-cpp", "xllamacpp")
        return (
            Device(
                self.name,
                "CPU",
                processor_name(),
                memory_bytes(),
                ("fp32",),
                available=not reason,
                reason=reason,
                engine_version=version_of("xllamacpp"),
            ),
        )

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """FULL for GGUF files of models that generate."""
        if not device.available:
            return Support(Level.NONE, device.reason)
        if model.format != "gguf":
            return Support(Level.NONE, f"llama.cpp runs GGUF files, and this is `{model.format}`")
        if model.task != "generate":
            return Support(Level.NONE, f"llama.cpp generates, and the model's task is `{model.task or 'unknown'}`")
        return Support(Level.FULL, "llama.cpp runs GGUF files that generate")

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TokenModel:
        """Loads the folder's GGUF file, the first where it is in parts.

        Raises:
            PreconditionError: a file or the device is missing, or llama.cpp refuses the model.
        """
        del model  # the file tells everything
        known = [known.name for known in self.devices()]
        if device not in known:
            raise PreconditionError(f"llama.cpp has no device `{device}`; it has: {', '.join(known)}")
        precision = choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
        files = sorted(folder.rglob("*.gguf"))
        if not files:
            raise PreconditionError("the model has no GGUF file", reason="missing_file")
        header = read_header(files[0])
        slots, positions = _geometry(header)
        from panope_backends.engines.llama_cpp.local_server import LocalServer  # it brings the package
        from panope_backends.engines.llama_cpp.model import LlamaCppModel, parameters_of

        parameters = parameters_of(files[0], slots, positions, threads_to_use(options.threads))
        return LlamaCppModel(
            LocalServer(parameters),
            slots=slots,
            vocab_size=header.vocab_size,
            max_positions=positions,
            precision=precision,
        )


def _geometry(header: GgufHeader) -> tuple[int, int]:
    """Slots, and positions of each: as many as the model was trained for, where the memory holds them."""
    trained = header.number("context_length") or 4096
    held = CACHE_BYTES // header.cache_bytes_per_token if header.cache_bytes_per_token else trained
    positions = max(_STEP, min(trained, held) // _STEP * _STEP)
    return max(1, min(MAX_SLOTS, held // positions)), positions
