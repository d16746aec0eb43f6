"""Models that write of images: each token of a caption is the likeliest that the library gives of the same image."""

from __future__ import annotations

import json

import numpy as np
import torch

from panope.worker.v1 import generate_pb2, media_pb2
from panope_backends.model_facts.image_models import image_places
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
    start = _start(library)
    ids = torch.tensor([[*start, *tokens[:-1]]])
    given = {"decoder_input_ids" if library.config.is_encoder_decoder else "input_ids": ids}
    if library.config.model_type == "paligemma":  # which reads what comes before the answer in both directions
        given["token_type_ids"] = torch.tensor([[0] * len(start) + [1] * (TOKENS - 1)])
    logits = library(pixel_values=library.pixels(file)["pixel_values"], **given).logits[0, -TOKENS:]
    made: np.ndarray = logits.float().log_softmax(-1).numpy()
    return made


def _start(library: Library) -> list[int]:
    """The tokens that captions go on from: where the image stands, if it does among them, and what begins a text."""
    config = library.config
    if config.is_encoder_decoder:
        return [config.decoder_start_token_id]
    text = getattr(config, "text_config", config)
    places = list(image_places(config.to_dict()))
    line = library.tokens("\n", add_special_tokens=False)["input_ids"][0] if config.model_type == "paligemma" else []
    return [*places, text.bos_token_id, *map(int, line)]
