"""Compares a step model with transformers' own way to run the same weights, so that none is served wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from panope_backends.api import StepBatch, StepSequence
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.attention import ATTENTION
from panope_backends.engines.torch.encoder_decoder.facts import decoder_config
from panope_backends.engines.torch.encoder_decoder.model import TorchEncoderDecoder
from panope_backends.engines.torch.encoder_decoder.reader import Reader
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]

#: Tokens of each source, and of the decoder at each: two sequences that begin at different steps.
_TRIED = ((9, 6), (4, 4))


def expected_logits(module: Any, reader: Reader, device: TorchDevice = HOST) -> list[Array]:
    """What transformers says of each text, with attention in its plainest form; before the layers are taken over."""
    _attend_by(module, "eager")
    try:
        with torch.inference_mode():
            made = [
                module(
                    **{reader.keyword: _cast(reader, device.put(reader.tensor(source)), module.dtype)},
                    decoder_input_ids=device.tensor(tokens)[None],
                ).logits
                for source, tokens in (_texts(number, module.config, reader) for number in range(len(_TRIED)))
            ]
    finally:
        _attend_by(module, ATTENTION)
    return [device.array(logits[0]) for logits in made]


def _attend_by(module: Any, name: str) -> None:
    """Lets a model attend in another way; decoders of composed models have copies of its configuration."""
    module.set_attn_implementation(name)
    for part in module.modules():
        if (config := getattr(part, "config", None)) is not None:
            config._attn_implementation = name  # noqa: SLF001 - transformers' own way reaches one copy alone


def compare(model: TorchEncoderDecoder, config: Any, expected: list[Array], reader: Reader) -> None:
    """Runs the same texts in steps, side by side and one behind.

    Raises:
        PreconditionError: they differ.
    """
    model.allocate(len(_TRIED))
    model.allocate_sources(len(_TRIED))
    texts = [_texts(number, config, reader) for number in range(len(_TRIED))]
    for number, (source, _) in enumerate(texts):
        (model.encode if reader.features is None else model.encode_features)(number, source)
    longest = len(texts[0][1])
    for step in range(longest):
        running = [number for number, (_, tokens) in enumerate(texts) if step >= longest - len(tokens)]
        ends = [step - (longest - len(texts[number][1])) for number in running]
        parts = [
            StepSequence([texts[number][1][end]], end, [number], source=number)
            for number, end in zip(running, ends, strict=True)
        ]
        found = model.forward(StepBatch.of(parts))
        right = np.stack([expected[number][end] for number, end in zip(running, ends, strict=True)])
        if not np.abs(found - right).max() <= LOGITS_TOLERANCE[model.precision] * np.abs(right).max():
            raise PreconditionError(
                "the decoder's steps differ from what transformers computes of the same texts",
                reason="unsupported_model",
            )
    model.forget()


def _texts(number: int, config: Any, reader: Reader) -> tuple[Any, list[int]]:
    """A source and the decoder's tokens, without that of padding, which some types treat apart."""
    config = decoder_config(config)
    usable = [token for token in range(min(64, config.vocab_size)) if token != config.pad_token_id]
    source, tokens = _TRIED[number]
    return reader.sample(number, source, usable), np.random.default_rng([number, 1]).choice(usable, tokens).tolist()


def _cast(reader: Reader, source: Any, dtype: Any) -> Any:
    return source if reader.features is None else source.to(dtype)
