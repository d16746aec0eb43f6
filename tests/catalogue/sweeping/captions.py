"""Models that write of images: each token of a caption is the likeliest that the library gives of the same image."""

from __future__ import annotations

import json

import numpy as np
import torch

from panope.worker.v1 import generate_pb2, media_pb2
from panope_backends.worker.loading import ServedModel
from sweeping.images import FILES
from sweeping.library import Library, first, same
from sweeping.serving import answer

TOKENS = 6

_MESSAGES = json.dumps([{"role": "user", "content": [{"type": "image"}]}]).encode()


def caption(model: ServedModel, library: Library) -> str:
    """What is on images."""
    return first([_compared(model, library, file) for file in FILES])


def _compared(model: ServedModel, library: Library, file: bytes) -> str:
    conversation = generate_pb2.Conversation(messages_json=_MESSAGES, images=[media_pb2.Image(content=file)])
    message = generate_pb2.GenerateInput(
        conversation=conversation, temperature=0, max_tokens=TOKENS, n=1, ignore_eos=True, logprobs=0
    )
    found = generate_pb2.GenerateOutput.FromString(answer(model, "generate", message))
    tokens = [token for delta in found.deltas for token in delta.token_ids]
    logprobs = [one.chosen.logprob for delta in found.deltas for one in delta.logprobs]
    if len(tokens) != TOKENS:
        return f"the caption has {len(tokens)} tokens, and {TOKENS} were asked for"
    wanted = _logprobs(library, file, tokens)
    chosen = wanted[np.arange(TOKENS), tokens]
    return first([same(logprobs, chosen), same(chosen, wanted.max(-1))])


def _logprobs(library: Library, file: bytes, tokens: list[int]) -> np.ndarray:
    """Of the whole vocabulary, `[tokens, vocabulary]`, from one run over the image and the caption."""
    ids = torch.tensor([[*_start(library), *tokens[:-1]]])
    name = "decoder_input_ids" if library.config.is_encoder_decoder else "input_ids"
    logits = library(pixel_values=library.pixels(file)["pixel_values"], **{name: ids}).logits[0, -TOKENS:]
    made: np.ndarray = logits.float().log_softmax(-1).numpy()
    return made


def _start(library: Library) -> list[int]:
    """The tokens that captions go on from: where the image stands, if it does among them, and what begins a text."""
    config = library.config
    if config.is_encoder_decoder:
        return [config.decoder_start_token_id]
    text = getattr(config, "text_config", config)
    places = [config.image_token_index] * config.num_query_tokens if config.model_type == "blip-2" else []
    return [*places, text.bos_token_id]
