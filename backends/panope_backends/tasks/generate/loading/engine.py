"""Makes a `TokenModel` of whatever kind a backend loads: of a `StepModel` by the generation core."""

from __future__ import annotations

from panope.worker.v1.generate_pb2 import GenerateSettings
from panope_backends.api import EncoderDecoderModel, GenerationRequest, LoadedModel, StepModel, TokenModel
from panope_backends.errors import PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.tasks.generate.defaults import GenerationDefaults
from panope_backends.tasks.generate.loading.cache_memory import memory_for
from panope_backends.tasks.generate.requests import Check
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder

#: Of the memory at hand, the part that a cache takes which nobody gave a size.
_PART_FOR_CACHE = 4

#: The smallest cache that is of use, in tokens, where the memory lets no larger one be.
_FEWEST_TOKENS = 16


def token_model(
    model: LoadedModel,
    encoder: TextEncoder | None,
    defaults: GenerationDefaults,
    settings: GenerateSettings,
    max_memory_bytes: int,
    digest: str,
) -> tuple[TokenModel, Check]:
    """What generates, and what checks a request before it is submitted.

    Args:
        model: as the backend loaded it.
        encoder: of the model's files; None where they have no tokenizer.
        defaults: of the model's files.
        settings: of the server.
        max_memory_bytes: that this process may allocate; 0 for any.
        digest: of the model's files; names what its cache holds.

    Raises:
        PreconditionError: the model is of a kind that does not generate, or lacks a tokenizer or memory.
    """
    if isinstance(model, TokenModel):
        return model, model.require_supported
    if not isinstance(model, StepModel):
        raise PreconditionError("the backend does not load this model to generate", reason="unsupported_model_kind")
    if encoder is None:
        raise PreconditionError("the model has no tokenizer.json, and no vocabulary to make a tokenizer of")
    if isinstance(model, EncoderDecoderModel) and not defaults.decoder_token_ids:
        raise PreconditionError(
            "neither generation_config.json nor config.json has a `decoder_start_token_id`", reason="unsupported_model"
        )
    slots = allocate(model, settings, memory_for(model, max_memory_bytes))
    decoding = Decoding(encoder.vocabulary, model.vocab_size, defaults.eos_token_ids)
    core = GenerationSettings(
        slots=slots if model.rewinds else min(slots, model.blocks),
        step_tokens=settings.step_tokens or GenerationSettings.step_tokens,
        max_step_tokens=settings.max_step_tokens or GenerationSettings.max_step_tokens,
        draft_tokens=settings.draft_tokens,
        prefix_cache=settings.prefix_cache,
        cache_key=digest.encode(),
        decoder_token_ids=defaults.decoder_token_ids,
    )
    engine = GenerationEngine(model, decoding, core)

    def check(request: GenerationRequest) -> None:
        engine.require_supported(request)
        decoding.check(request)

    return engine, check


def allocate(model: StepModel, settings: GenerateSettings, at_hand: int) -> int:
    """Gives the model a cache: what the settings say, else what all slots can use and the memory has room for.

    Half of that memory is for what an encoder reads, where the model has one.

    Args:
        model: that needs one.
        settings: of the server.
        at_hand: bytes that this process can still allocate where the model is.

    Returns:
        The slots that there is memory for.

    Raises:
        PreconditionError: not even a small one fits.
    """
    memory = settings.cache_bytes or at_hand // _PART_FOR_CACHE
    slots = settings.slots or GenerationSettings.slots
    if isinstance(model, EncoderDecoderModel):
        source_bytes = model.source.max_length * model.source.token_bytes
        slots = max(1, min(slots, memory // 2 // source_bytes))
        model.allocate_sources(slots)
        memory = max(0, memory - slots * source_bytes)
    _allocate_blocks(model, settings, slots, memory)
    return slots


def _allocate_blocks(model: StepModel, settings: GenerateSettings, slots: int, memory: int) -> None:
    spec = model.cache
    of_use = slots * -(-model.max_positions // spec.block_size)
    fewest = -(-min(_FEWEST_TOKENS, model.max_positions) // spec.block_size)
    blocks = min(of_use, memory // spec.block_bytes)
    if not settings.cache_bytes:
        blocks = max(fewest, blocks)
    elif blocks < fewest:
        raise PreconditionError(
            f"`generation.cache_bytes` is {settings.cache_bytes:,}, and one block of this model's cache, "
            f"{spec.block_size:,} tokens, has {spec.block_bytes:,} bytes",
            reason="no_cache",
        )
    while True:
        try:
            model.allocate(blocks)
        except PreconditionError:
            if settings.cache_bytes or blocks <= fewest:
                raise
            blocks = max(fewest, blocks // 2)
        else:
            return
