"""Loads an encoder-decoder of transformers as a step model."""

from __future__ import annotations

from pathlib import Path

import torch

from panope_backends.api import EncoderDecoderModel, ModelFacts
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.attention import ATTENTION
from panope_backends.engines.torch.encoder_decoder.composed import load_module
from panope_backends.engines.torch.encoder_decoder.facts import (
    READ_TEXT,
    TRANSCRIBE,
    image_shape,
    loading_refusal,
    max_length,
    rerun_reason,
    text_length,
)
from panope_backends.engines.torch.encoder_decoder.image_model import TorchImageWriter
from panope_backends.engines.torch.encoder_decoder.layers import decoder_layers
from panope_backends.engines.torch.encoder_decoder.model import TorchEncoderDecoder
from panope_backends.engines.torch.encoder_decoder.reader import reader_of
from panope_backends.engines.torch.encoder_decoder.rerun_model import TorchRerunEncoderDecoder
from panope_backends.engines.torch.encoder_decoder.trial import compare, expected_logits
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory
from panope_backends.model_facts.image_models import reads_questions, writes_of_images

#: What transformers' modules raise that are built otherwise than what this package takes over.
BUILT_OTHERWISE = (AttributeError, KeyError, TypeError, IndexError, RuntimeError, ValueError, PreconditionError)


def load_encoder_decoder(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> EncoderDecoderModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: as `load_pretrained`, or the model is of a type that does not run in steps.
    """
    if refusal := loading_refusal(model):
        raise PreconditionError(f"the model cannot be loaded: {refusal}", reason="unsupported_model")
    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    if rerun_reason(model.config):
        return _rerun(model, folder, precision, device)
    try:
        return _paged(model, folder, precision, device)
    except BUILT_OTHERWISE as error:
        if is_out_of_memory(error) or (isinstance(error, PreconditionError) and error.reason != "unsupported_model"):
            raise
        if model.task in (TRANSCRIBE, READ_TEXT):
            raise PreconditionError("the model's type does not run in steps", reason="unsupported_model") from error
    return _rerun(model, folder, precision, device)


def _paged(model: ModelFacts, folder: Path, precision: str, device: TorchDevice) -> EncoderDecoderModel:
    module = device.place(load_module(model, folder, precision, ATTENTION))
    reader = reader_of(module)
    expected = expected_logits(module, reader, device)
    layers, length = decoder_layers(module), max_length(module.config)
    made = TorchEncoderDecoder(module, layers, precision, length, reader, device)
    compare(made, module.config, expected, reader)
    return made


def _rerun(model: ModelFacts, folder: Path, precision: str, device: TorchDevice) -> EncoderDecoderModel:
    """As `_paged`, for whatever it does not take over; the module is loaded anew, with attention of transformers'."""
    module = device.place(load_module(model, folder, precision))
    try:
        if not writes_of_images(model.config):
            config = module.config
            return TorchRerunEncoderDecoder(module, precision, max_length(config), text_length(config), device)
        asked, shape = reads_questions(model.config), image_shape(module.config)
        longest = max_length(getattr(module.config, "text_config", module.config))
        return TorchImageWriter(module, precision, longest, shape, reads_questions=asked, device=device)
    except BUILT_OTHERWISE as error:
        if isinstance(error, PanopeError) or is_out_of_memory(error):
            raise
        raise PreconditionError("the model's type does not run in steps", reason="unsupported_model") from error
