"""The backend of llama.cpp: runs GGUF files on processors, and on GPUs where the installed build has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from panope_backends.api import API_VERSION, Backend, Device, Level, LoadOptions, ModelFacts, Support
from panope_backends.engines.llama_cpp.gguf_header import GgufHeader, read_header
from panope_backends.engines.packages import missing_reason, version_of
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes
from panope_backends.host.processor_model import processor_name
from panope_backends.host.processors import threads_to_use
from panope_backends.lora import FOLDER, GGUF_WEIGHTS

if TYPE_CHECKING:
    from panope_backends.engines.llama_cpp.model import LlamaCppModel
    from panope_backends.engines.llama_cpp.texts import GgufEmbeddingModel, GgufReranker

#: Memory for keys and values of all slots together, where the server does not say.
CACHE_BYTES = 1 << 30

#: Where the server does not say.
MAX_SLOTS = 8

#: Texts that a model which embeds has at once, and the memory for keys and values of theirs.
TEXT_SLOTS = 4
TEXT_CACHE_BYTES = 1 << 29

#: Of one text: it runs whole, and what a batch takes grows with its tokens.
MAX_TEXT_TOKENS = 8192

#: Tasks of models of texts that do not generate.
_OF_TEXTS = ("embed", "rerank")

#: Architectures that see a whole text at once.
_ENCODERS = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert", "t5encoder"}
)

#: Of keys and values; llama.cpp has smaller ones, for which it rounds each block of values on its own.
CACHE_PRECISIONS = ("fp16", "fp32")

#: llama.cpp rounds the positions of a slot up to a multiple of this.
_STEP = 256


class LlamaCppBackend(Backend):
    """llama.cpp by the `xllamacpp` package."""

    name = "llama-cpp"
    api_version = API_VERSION
    applies_adapters = True

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
        """FULL for GGUF files of models that generate, embed texts or rerank."""
        if not device.available:
            return Support(Level.NONE, device.reason)
        if model.format != "gguf":
            return Support(Level.NONE, f"llama.cpp runs GGUF files, and this is `{model.format}`")
        if model.task not in ("generate", *_OF_TEXTS):
            reason = f"llama.cpp generates, embeds and reranks, and the model's task is `{model.task or 'unknown'}`"
            return Support(Level.NONE, reason)
        return Support(Level.FULL, "llama.cpp runs GGUF files that generate, embed and rerank")

    def load(
        self, model: ModelFacts, folder: Path, device: str, options: LoadOptions
    ) -> LlamaCppModel | GgufEmbeddingModel | GgufReranker:
        """Loads the folder's GGUF file, the first where it is in parts, with the adapter that lies beside it.

        Raises:
            PreconditionError: a file or the device is missing, the file names no pooling though the task needs one, or
                llama.cpp refuses the model.
        """
        known = [known.name for known in self.devices()]
        if device not in known:
            raise PreconditionError(f"llama.cpp has no device `{device}`; it has: {', '.join(known)}")
        precision = choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
        files = sorted(file for file in folder.rglob("*.gguf") if file.parent.name != FOLDER)
        if not files:
            raise PreconditionError("the model has no GGUF file", reason="missing_file")
        header = read_header(files[0])
        cache_precision = choose_precision(
            options.cache_precision, CACHE_PRECISIONS, f"{self.name}'s cache beside {precision} on {device}"
        )
        if model.task in _OF_TEXTS:
            return _load_for_texts(model.task, files[0], header, precision, options)
        token_bytes = header.cached_values_per_token * (4 if cache_precision == "fp32" else 2)
        slots, positions = _geometry(header.number("context_length"), token_bytes, options)
        from panope_backends.engines.llama_cpp.local_server import LocalServer  # it brings the package
        from panope_backends.engines.llama_cpp.model import LlamaCppModel, apply_adapter, parameters_of

        parameters = parameters_of(files[0], slots, positions, threads_to_use(options.threads), cache_precision)
        adapter = files[0].parent / FOLDER / GGUF_WEIGHTS
        if adapter.exists():
            apply_adapter(parameters, adapter)
        return LlamaCppModel(
            LocalServer(parameters),
            slots=slots,
            vocab_size=header.vocab_size,
            max_positions=positions,
            precision=precision,
            prefix_cache=options.prefix_cache,
        )


def _load_for_texts(
    task: str, file: Path, header: GgufHeader, precision: str, options: LoadOptions
) -> GgufEmbeddingModel | GgufReranker:
    """Loads a model that embeds or reranks: a text runs whole, in one batch."""
    from panope_backends.engines.llama_cpp.local_server import LocalServer  # it brings the package
    from panope_backends.engines.llama_cpp.model import parameters_of
    from panope_backends.engines.llama_cpp.texts import GgufEmbeddingModel, GgufReranker, pooling_of

    pooling = pooling_of(header, task)
    trained = header.number("context_length") or 512
    # Encoders keep nothing of a text; decoders that embed do, while it runs.
    kept = header.cached_values_per_token * 2 if header.architecture not in _ENCODERS else 0
    own = replace(options, slots=min(options.slots or TEXT_SLOTS, TEXT_SLOTS), cache_bytes=TEXT_CACHE_BYTES)
    slots, positions = _geometry(min(trained, MAX_TEXT_TOKENS), kept, own)
    parameters = parameters_of(file, slots, positions, threads_to_use(options.threads), "fp16")
    parameters.embedding = True
    parameters.n_batch = parameters.n_ubatch = positions
    if pooling == "rank":
        import xllamacpp

        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    server, most = LocalServer(parameters), min(trained, positions)
    if task == "rerank":
        return GgufReranker(server, slots, most, precision)
    return GgufEmbeddingModel(server, slots, most, header.vocab_size, precision)


def _geometry(trained: int, token_bytes: int, options: LoadOptions) -> tuple[int, int]:
    """Slots, and positions of each: as many as the model was trained for, where the memory holds them.

    Args:
        trained: positions that the model was trained for; 0 when unknown.
        token_bytes: of the keys and values of one token; 0 when unknown.
        options: of the server.

    Raises:
        PreconditionError: the memory does not hold the shortest slot.
    """
    trained = trained or 4096
    slots = options.slots or MAX_SLOTS
    if not token_bytes:
        return slots, max(_STEP, trained // _STEP * _STEP)
    held = (options.cache_bytes or CACHE_BYTES) // token_bytes
    if held < _STEP and options.cache_bytes:
        raise PreconditionError(
            f"`generation.cache_bytes` is {options.cache_bytes:,}; the fewest tokens that llama.cpp keeps, {_STEP}, "
            f"take {_STEP * token_bytes:,}",
            reason="no_cache",
        )
    positions = max(_STEP, min(trained, held) // _STEP * _STEP)
    return max(1, min(slots, held // positions)), positions
